package cache

import (
	"bytes"
	"context"
	"slices"
)

// OwnKeys lists, in order, the keys for which the store holds an unsigned entry:
// this machine's own. Own tells whether one is usable.
func (l *Local) OwnKeys(ctx context.Context) ([]Key, error) {
	var keys []Key
	err := l.withIndex(func(*index) error {
		if err := l.refresh(); err != nil {
			return err
		}
		x := l.idx // another one, perhaps
		for k, i := range x.heads {
			for ; i >= 0; i = x.chain[i].next {
				if x.chain[i].ref().signer == "" {
					keys = append(keys, k)
					break
				}
			}
		}
		return ctx.Err()
	})
	slices.SortFunc(keys, func(a, b Key) int { return bytes.Compare(a[:], b[:]) })
	return keys, err
}
