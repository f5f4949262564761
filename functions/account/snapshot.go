package account

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

//go:embed snapshot_store.lua
var storeLua string

//go:embed snapshot_drop.lua
var dropLua string

const (
	// snapshotLife bounds how old a snapshot can be that is shown because Alpaca may not be asked now.
	snapshotLife = time.Minute
	// generationLife must outlive every read that is under way; it is what settling an order uses too.
	generationLife = 48 * time.Hour
)

// fetch asks Alpaca for one kind of snapshot, in the native API's JSON.
type fetch func(ctx context.Context, account vault.Account, asOf time.Time) (json.RawMessage, error)

// snapshot is what Alpaca said about an account at a time.
type snapshot struct {
	data json.RawMessage
	asOf time.Time
}

// snapshots keeps what Alpaca said about accounts for a short time. A change of an account raises its generation and
// drops its snapshots; a read that began before the change is answered but not kept. Safe for concurrent use.
type snapshots struct {
	platform *platform.Platform
	ttl      time.Duration
	metrics  *telemetry.Cache
	store    *redis.Script
	drop     *redis.Script

	flights singleflight.Group
}

func newSnapshots(p *platform.Platform, ttl time.Duration, metrics *telemetry.Cache) *snapshots {
	return &snapshots{
		platform: p, ttl: ttl, metrics: metrics,
		store: redis.NewScript(storeLua), drop: redis.NewScript(dropLua),
	}
}

// readSnapshot returns the snapshot of a kind, decoded.
func readSnapshot[T any](ctx context.Context, s *snapshots, account vault.Account, kind string, ask fetch) (T, error) {
	var decoded T
	found, err := s.read(ctx, account, kind, ask)
	if err != nil {
		return decoded, err
	}
	if err := json.Unmarshal(found.data, &decoded); err != nil {
		return decoded, fmt.Errorf("snapshot %s of %s: %w", kind, account.ID, err)
	}
	return decoded, nil
}

// read returns a snapshot that is no older than the TTL, or an older one when Alpaca may not be asked now. Without
// Redis it asks Alpaca, once for everybody who asks this instance at the same time.
func (s *snapshots) read(ctx context.Context, account vault.Account, kind string, ask fetch) (snapshot, error) {
	cached, generation, err := s.load(ctx, account.ID, kind)
	if err != nil {
		s.platform.Logger.Warn("snapshot not looked up", zap.String("account_id", account.ID), zap.Error(err))
		s.metrics.Miss(kind)
		return s.share(ctx, account.ID+"|"+kind, func(ctx context.Context) (snapshot, error) {
			return s.ask(ctx, account, ask)
		})
	}
	if s.fresh(cached) {
		s.metrics.Hit(kind)
		return cached, nil
	}
	s.metrics.Miss(kind)
	// The generation is part of the key: who asks after a change must not get the answer of who asked before it.
	return s.share(ctx, account.ID+"|"+kind+"|"+generation, func(ctx context.Context) (snapshot, error) {
		return s.refresh(ctx, account, kind, generation, cached, ask)
	})
}

// fresh reports whether the snapshot is there and no older than the TTL.
func (s *snapshots) fresh(found snapshot) bool {
	return found.data != nil && s.platform.Clock.Now().Sub(found.asOf) < s.ttl
}

// load reads snapshot and generation in one round trip, before Alpaca is asked.
func (s *snapshots) load(ctx context.Context, accountID, kind string) (snapshot, string, error) {
	var fields *redis.SliceCmd
	var generation *redis.StringCmd
	_, err := s.platform.Redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		fields = pipe.HMGet(ctx, store.SnapshotKey(accountID, kind), "data", "as_of")
		generation = pipe.Get(ctx, store.GenerationKey(accountID))
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return snapshot{}, "", fmt.Errorf("read snapshot %s of %s: %w", kind, accountID, err)
	}
	values := fields.Val()
	data, isText := values[0].(string)
	milliseconds, _ := values[1].(string)
	// A time that is no number is that of no snapshot: 0, which is never fresh.
	at, _ := strconv.ParseInt(milliseconds, 10, 64)
	if !isText {
		return snapshot{}, generation.Val(), nil
	}
	return snapshot{data: json.RawMessage(data), asOf: time.UnixMilli(at)}, generation.Val(), nil
}

// share does the work once for all who wait for the same key. It goes on when a waiter leaves, because the others
// still wait, and ends by the upstream timeout.
func (s *snapshots) share(ctx context.Context, key string, work func(context.Context) (snapshot, error)) (snapshot, error) {
	results := s.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.platform.Config.UpstreamTimeout+time.Second)
		defer cancel()
		return work(ctx)
	})
	select {
	case <-ctx.Done():
		return snapshot{}, problem.Unavailable.New("the request ended before Alpaca answered").Because(ctx.Err())
	case result := <-results:
		found, _ := result.Val.(snapshot)
		return found, result.Err
	}
}

// refresh asks Alpaca, within the account's budget, and keeps the answer. cached is what is shown when the budget does
// not allow it.
func (s *snapshots) refresh(
	ctx context.Context, account vault.Account, kind, generation string, cached snapshot, ask fetch,
) (snapshot, error) {
	// Somebody may have stored one since the caller looked: another instance, or the flight before this one.
	if latest, now, err := s.load(ctx, account.ID, kind); err == nil {
		cached, generation = latest, now
		if s.fresh(latest) {
			return latest, nil
		}
	}
	found, err := s.ask(ctx, account, ask)
	if err != nil {
		return orStale(cached, err)
	}
	keys := []string{store.SnapshotKey(account.ID, kind), store.GenerationKey(account.ID)}
	err = s.store.Run(ctx, s.platform.Redis, keys,
		generation, string(found.data), found.asOf.UnixMilli(), snapshotLife.Milliseconds()).Err()
	if err != nil {
		s.platform.Logger.Warn("snapshot not kept", zap.String("account_id", account.ID), zap.Error(err))
	}
	return found, nil
}

// orStale prefers an older snapshot to a refusal for the rate; any other failure is told, because an old balance would
// hide it.
func orStale(cached snapshot, err error) (snapshot, error) {
	if cached.data != nil && errors.Is(err, problem.RateLimitExceeded) {
		return cached, nil
	}
	return snapshot{}, err
}

// ask calls Alpaca. The snapshot is as of before the call: what happens meanwhile may not be in it.
func (s *snapshots) ask(ctx context.Context, account vault.Account, ask fetch) (snapshot, error) {
	asOf := s.platform.Clock.Now().UTC().Truncate(time.Millisecond)
	data, err := ask(ctx, account, asOf)
	if err != nil {
		return snapshot{}, alpaca.Problem(err)
	}
	return snapshot{data: data, asOf: asOf}, nil
}

// invalidate drops what is known of an account, and keeps reads under way from being stored.
func (s *snapshots) invalidate(ctx context.Context, accountID string) error {
	keys := []string{
		store.GenerationKey(accountID), store.SnapshotKey(accountID, "account"), store.SnapshotKey(accountID, "positions"),
	}
	if err := s.drop.Run(ctx, s.platform.Redis, keys, generationLife.Milliseconds()).Err(); err != nil {
		return fmt.Errorf("drop snapshots of %s: %w", accountID, err)
	}
	return nil
}
