package cache

import (
	"slices"
	"testing"
)

// TestOwnKeys: keys of this machine's own results, in order, also those of another
// process, and none of others'.
func TestOwnKeys(t *testing.T) {
	dir := t.TempDir()
	l := openTest(t, dir, Options{})
	if keys, err := l.OwnKeys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("an empty store: %v, %v", keys, err)
	}
	publish(t, l, testKey(1), []byte("one"))
	publish(t, l, testKey(1), []byte("two"))
	putSigned(t, l, testKey(1), "alice-1", 1)
	putSigned(t, l, testKey(2), "alice-1", 1)
	publish(t, openTest(t, dir, Options{}), testKey(3), []byte("three"))
	publish(t, l, testKey(4), []byte("four"))
	if _, err := l.Forget(t.Context(), testKey(4)); err != nil {
		t.Fatal(err)
	}
	want := []Key{testKey(1), testKey(3)}
	slices.SortFunc(want, func(a, b Key) int { return slices.Compare(a[:], b[:]) })
	if keys, err := l.OwnKeys(t.Context()); err != nil || !slices.Equal(keys, want) {
		t.Errorf("%v, %v; want %v", keys, err, want)
	}
}
