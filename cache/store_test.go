package cache_test

import (
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
