package store_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/awaitd/awaitd/internal/store"
	"github.com/awaitd/awaitd/internal/store/storetest"
)

func TestDiskIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		s, err := store.Open(store.Options{Dir: t.TempDir(), Sync: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestMemFSIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) *store.Store {
		s, err := store.Open(store.Options{Dir: "a/b", Sync: true, FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
