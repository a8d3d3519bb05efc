package store_test

import (
	"testing"

	"github.com/awaitd/awaitd/internal/store"
	"github.com/awaitd/awaitd/internal/store/storetest"
)

func TestMemoryIsAStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) *store.Store { return store.OpenMemory() })
}
