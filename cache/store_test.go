package cache_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nbpipe/nbpipe/cache"
	"github.com/nbpipe/nbpipe/cache/storetest"
)

func TestMemoryContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) cache.Store { return cache.NewMemory(time.Now) })
}

func TestLocalContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) cache.Store {
		l, err := cache.Open(t.Context(), t.TempDir(), cache.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return l
	})
}

func TestLost(t *testing.T) {
	d := cache.DigestOf([]byte("x"))
	away := errors.New("503")
	for name, c := range map[string]struct {
		err  error
		lost bool
	}{
		"none":                       {nil, false},
		"absent":                     {fmt.Errorf("reading: %w", &cache.MissingError{Digest: d}), true},
		"damaged":                    {&cache.CorruptError{Digest: d}, true},
		"upstream does not have it":  {&cache.MissingError{Digest: d, Cause: errors.Join(&cache.MissingError{Digest: d})}, true},
		"upstream has it wrong":      {&cache.MissingError{Digest: d, Cause: &cache.CorruptError{Digest: d}}, true},
		"upstream does not answer":   {&cache.MissingError{Digest: d, Cause: away}, false},
		"nor does the one behind it": {&cache.MissingError{Digest: d, Cause: &cache.MissingError{Digest: d, Cause: away}}, false},
		"another error":              {away, false},
	} {
		got, lost := cache.Lost(c.err)
		if lost != c.lost || lost && got != d {
			t.Errorf("%s: %v, %t", name, got, lost)
		}
	}
}
