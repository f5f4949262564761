package vault

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

// List returns all accounts in the order of their IDs.
func (f *File) List(context.Context) ([]Account, error) {
	f.refresh()
	f.mu.RLock()
	defer f.mu.RUnlock()
	return slices.SortedFunc(maps.Values(f.accounts), func(a, b Account) int { return cmp.Compare(a.ID, b.ID) }), nil
}
