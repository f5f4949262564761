package intent

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// ErrNotReplicated means that too few replicas of Redis have the intent. It was taken back as far as possible: a
// repeat starts anew.
var ErrNotReplicated = errors.New("intent did not reach enough replicas")

// write runs a script and returns how many replicas have what it wrote; without replicas to wait for, 0.
func (s *Store) write(ctx context.Context, script *redis.Script, keys []string, args ...any) (*redis.Cmd, int) {
	if s.config.Replicas == 0 {
		return script.Run(ctx, s.client, keys, args...), 0
	}
	return store.RunReplicated(ctx, s.client, script, s.config.Replicas, s.config.ReplicaTimeout, keys, args...)
}

// unreplicated is the error for an intent that a failover might lose. What did not write anything, a replay for
// example, needs no replica and is refused all the same: the replicas are away.
func (s *Store) unreplicated(ctx context.Context, id ID, r Reservation, replicas int) error {
	err := fmt.Errorf("reserve intent %s: %w: %d of %d", id.ClientOrderID, ErrNotReplicated, replicas, s.config.Replicas)
	switch r.Outcome {
	case New:
		return errors.Join(err, s.Forget(ctx, id, r.Token))
	case Resume:
		return errors.Join(err, s.Yield(ctx, id, r.Token))
	default:
		return err
	}
}
