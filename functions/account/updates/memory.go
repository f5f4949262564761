package updates

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

//go:embed memory.lua
var memoryLua string

// memory notices that Redis lost something: all of a shard, or, when a replica took over from its master, perhaps its
// last writes. Which accounts had orders under way, nobody knows then; all of the shard's are followed for a while.
type memory struct {
	client redis.Scripter
	script *redis.Script
}

func newMemory(client redis.Scripter) *memory {
	return &memory{client: client, script: redis.NewScript(memoryLua)}
}

// restore looks at every shard that accounts belong to, makes the accounts of those that may have lost something active,
// and returns how many shards these were.
func (m *memory) restore(ctx context.Context, accounts []vault.Account) (int, error) {
	byShard := make(map[int][]any)
	for i := range accounts {
		shard := store.Shard(accounts[i].ID)
		byShard[shard] = append(byShard[shard], accounts[i].ID)
	}
	var (
		group  errgroup.Group
		lost   atomic.Int64
		failed = make([]error, store.Shards)
	)
	group.SetLimit(acquisitions)
	for shard, ids := range byShard {
		group.Go(func() error {
			changed, err := m.script.Run(ctx, m.client, []string{store.MemoryKey(shard), store.ActiveAccountsKey(shard)}, ids...).Int64()
			if err != nil {
				failed[shard] = fmt.Errorf("look at shard %d: %w", shard, err)
			}
			lost.Add(changed)
			return nil
		})
	}
	_ = group.Wait() // each shard has its own error
	return int(lost.Load()), errors.Join(failed...)
}
