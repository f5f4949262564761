package updates

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// activeSet are the accounts that have had an order lately. Safe for concurrent use.
type activeSet struct {
	client store.Client
	script *redis.Script
}

func newActiveSet(client store.Client) *activeSet {
	return &activeSet{client: client, script: redis.NewScript(`
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '') ~= tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])`)}
}

// accounts returns all of them, in one pipeline; where a part of a cluster is away, those of the rest with the error.
func (a *activeSet) accounts(ctx context.Context) ([]string, error) {
	shards := make([]*redis.StringSliceCmd, store.Shards)
	_, err := a.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for shard := range shards {
			shards[shard] = pipe.ZRange(ctx, store.ActiveAccountsKey(shard), 0, -1)
		}
		return nil
	})
	var accounts []string
	for _, shard := range shards {
		accounts = append(accounts, shard.Val()...)
	}
	if err != nil {
		return accounts, fmt.Errorf("read active accounts: %w", err)
	}
	return accounts, nil
}

// last returns when the account had its last order, zero when it is not active.
func (a *activeSet) last(ctx context.Context, accountID string) (time.Time, error) {
	score, err := a.client.ZScore(ctx, store.ActiveAccountsKey(store.Shard(accountID)), accountID).Result()
	if errors.Is(err, redis.Nil) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read last order of %s: %w", accountID, err)
	}
	return time.UnixMilli(int64(score)), nil
}

// remove takes the account out unless it had an order since seen, and reports whether it is out.
func (a *activeSet) remove(ctx context.Context, accountID string, seen time.Time) (bool, error) {
	key := store.ActiveAccountsKey(store.Shard(accountID))
	removed, err := a.script.Run(ctx, a.client, []string{key}, accountID, seen.UnixMilli()).Int()
	if err != nil {
		return false, fmt.Errorf("remove active account %s: %w", accountID, err)
	}
	return removed == 1, nil
}
