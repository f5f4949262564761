package intent

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// Abandoned is an intent whose owner is gone.
type Abandoned struct {
	ID
	Fingerprint string
	// IdempotencyKey is the caller's key, or empty.
	IdempotencyKey string
	// Body is what went upstream, or should have.
	Body []byte
}

// Abandoned returns up to limit intents of a shard that no owner holds any more, after leaving out the first offset of
// them.
func (s *Store) Abandoned(ctx context.Context, shard, offset, limit int) ([]Abandoned, error) {
	now, err := store.Now(ctx, s.client)
	if err != nil {
		return nil, err
	}
	key := store.UnsettledKey(shard)
	members, err := s.client.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: key, ByScore: true, Start: "-inf", Stop: strconv.FormatInt(now.UnixMilli(), 10), Offset: int64(offset), Count: int64(limit),
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("unsettled intents of shard %d: %w", shard, err)
	}
	var found []Abandoned
	for _, member := range members {
		accountID, clientOrderID, _ := strings.Cut(member, "\n")
		a := Abandoned{ID: ID{accountID, clientOrderID}}
		fields, err := s.client.HMGet(ctx, a.key(), "fingerprint", "request", "key").Result()
		if err != nil {
			return found, fmt.Errorf("read intent %s: %w", clientOrderID, err)
		}
		fingerprint, known := fields[0].(string)
		if !known { // it outlived its own record: nothing is left to settle
			s.client.ZRem(ctx, key, member)
			continue
		}
		body, _ := fields[1].(string)
		a.IdempotencyKey, _ = fields[2].(string)
		a.Fingerprint, a.Body = fingerprint, []byte(body)
		found = append(found, a)
	}
	return found, nil
}
