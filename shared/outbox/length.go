package outbox

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// pipeliner is what lengths needs of a client.
type pipeliner interface {
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

// lengths returns how many events each shard has, in one pipeline; with an error those of the shards that answered.
func lengths(ctx context.Context, client pipeliner) ([]int64, error) {
	asked := make([]*redis.IntCmd, store.Shards)
	_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for shard := range asked {
			asked[shard] = pipe.XLen(ctx, store.OutboxKey(shard))
		}
		return nil
	})
	found := make([]int64, len(asked))
	for shard, length := range asked {
		found[shard] = length.Val()
	}
	if err != nil {
		return found, fmt.Errorf("look for events: %w", err)
	}
	return found, nil
}

// Waiting returns how many events wait to be published in all shards; while Redis does not answer, none are known of.
func Waiting(ctx context.Context, client pipeliner) int64 {
	found, _ := lengths(ctx, client)
	var total int64
	for _, length := range found {
		total += length
	}
	return total
}
