// Package outbox publishes the events that scripts appended together with the state they tell of. Each shard's
// stream is drained by one instance at a time, in order; what a dead instance left is taken over when its lease ends.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

const (
	// leaseLife is how long the events of a dead instance wait.
	leaseLife = 5 * time.Second
	// publishLife bounds one batch from before its lease was taken: who no longer has the lease must not publish.
	publishLife = leaseLife - 500*time.Millisecond
	// holdEvery is how long, at most, events are published after another instance may have begun to.
	holdEvery = 250 * time.Millisecond
	// firstWait is how long a relay waits before it publishes when Redis knows of no relay before it: a former one that
	// Redis forgot may still trust its lease, for holdEvery, and what it sent must have arrived.
	firstWait = 2 * holdEvery
	// pollEvery is how often an idle relay looks for what others left.
	pollEvery = time.Second
	// batch is how many entries one read takes; accountsAtOnce how many accounts are published in parallel.
	batch          = 128
	accountsAtOnce = 8
	// Concurrency is how many events are published at once at the most: what the publisher's client keeps connections for.
	Concurrency = accountsAtOnce * accountsAtOnce
	// retryEvery is the wait before an entry that the broker did not take, or a shard that another instance drains,
	// is tried again.
	retryEvery = 50 * time.Millisecond
	maxRetry   = 2 * time.Second
)

// Publisher sends one event to the broker; event.Publisher is one. It asks holds right before it sends, and sends nothing
// when that returns an error.
type Publisher interface {
	PublishWhile(ctx context.Context, e event.Event, holds func(context.Context) error) error
}

// Redis is what a Relay needs of a client.
type Redis interface {
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
	XAdd(ctx context.Context, a *redis.XAddArgs) *redis.StringCmd
	XDel(ctx context.Context, stream string, ids ...string) *redis.IntCmd
	XLen(ctx context.Context, stream string) *redis.IntCmd
	XRangeN(ctx context.Context, stream, start, stop string, count int64) *redis.XMessageSliceCmd
}

// Relay drains the outbox of all shards. Create one with New, call Run once; Notify may be called concurrently.
type Relay struct {
	client    Redis
	leases    *lease.Leases
	publisher Publisher
	logger    *zap.Logger
	wake      chan struct{}

	mu    sync.Mutex
	dirty map[int]bool
}

// New returns a relay that publishes through publisher.
func New(client Redis, leases *lease.Leases, publisher Publisher, logger *zap.Logger) *Relay {
	return &Relay{
		client: client, leases: leases, publisher: publisher, logger: logger,
		wake: make(chan struct{}, 1), dirty: make(map[int]bool),
	}
}

// Notify says that this instance appended to the account's shard: it is drained at once rather than at the next poll.
func (r *Relay) Notify(accountID string) { r.mark(store.Shard(accountID)) }

// Look lets Run drain at once what others left, rather than at the next poll. The error says that Redis did not answer.
func (r *Relay) Look(ctx context.Context) error {
	err := r.find(ctx)
	r.wakeUp()
	return err
}

func (r *Relay) mark(shard int) {
	r.mu.Lock()
	r.dirty[shard] = true
	r.mu.Unlock()
	r.wakeUp()
}

func (r *Relay) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// Run drains until ctx ends.
func (r *Relay) Run(ctx context.Context) {
	poll := time.NewTimer(0) // at start: what others left
	defer poll.Stop()
	retry := retryEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			r.findLogged(ctx)
			poll.Reset(pollEvery)
		case <-r.wake:
		}
		if len(r.drainDirty(ctx)) == 0 {
			retry = retryEvery
			continue
		}
		poll.Reset(retry)
		retry = min(2*retry, maxRetry)
	}
}

// Flush drains everything once more, for the time before exit; it returns why something could not be published. A
// shard that another instance drains is in good hands.
func (r *Relay) Flush(ctx context.Context) error {
	unseen := r.find(ctx)
	failed := slices.DeleteFunc(r.drainDirty(ctx), func(err error) bool { return errors.Is(err, lease.ErrHeld) })
	if unseen != nil {
		failed = append(failed, unseen)
	}
	if len(failed) == 0 {
		return nil
	}
	return fmt.Errorf("outbox: some events are left for another instance: %w", errors.Join(failed...))
}

func (r *Relay) findLogged(ctx context.Context) {
	if err := r.find(ctx); err != nil && ctx.Err() == nil {
		r.logger.Warn("outbox: can't look for events", zap.Error(err))
	}
}

// find marks every shard that has entries, in one pipeline. Where a part of a cluster is away the rest is marked all the
// same.
func (r *Relay) find(ctx context.Context) error {
	lengths, err := lengths(ctx, r.client)
	r.mu.Lock()
	defer r.mu.Unlock()
	for shard, length := range lengths {
		if length > 0 {
			r.dirty[shard] = true
		}
	}
	return err
}

// drainDirty drains the marked shards and returns why some are not empty; those stay marked.
func (r *Relay) drainDirty(ctx context.Context) []error {
	r.mu.Lock()
	shards := make([]int, 0, len(r.dirty))
	for shard := range r.dirty {
		shards = append(shards, shard)
	}
	clear(r.dirty)
	r.mu.Unlock()
	var wait sync.WaitGroup
	results := make([]error, len(shards))
	slots := make(chan struct{}, accountsAtOnce)
	for i, shard := range shards {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = r.drainLogged(ctx, shard, slots)
		})
	}
	wait.Wait()
	var failed []error
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, err := range results {
		if err != nil {
			r.dirty[shards[i]] = true
			failed = append(failed, err)
		}
	}
	return failed
}

func (r *Relay) drainLogged(ctx context.Context, shard int, slots chan struct{}) error {
	err := r.drain(ctx, shard, slots)
	if err != nil && ctx.Err() == nil && !errors.Is(err, lease.ErrHeld) {
		r.logger.Warn("outbox: events wait", zap.Int("shard", shard), zap.Error(err))
	}
	return err
}

// drain publishes the shard's entries in order until it is empty. It is called with one of slots taken, and returns so.
func (r *Relay) drain(ctx context.Context, shard int, slots chan struct{}) error {
	key := store.OutboxKey(shard)
	if n, err := r.client.XLen(ctx, key).Result(); err != nil || n == 0 {
		return err
	}
	asked := time.Now()
	held, err := r.leases.Acquire(ctx, store.OutboxLeaseKey(shard), leaseLife)
	if err != nil {
		return err
	}
	own := &tenure{leases: r.leases, held: held, renewed: asked}
	defer func() {
		// Also when ctx has ended: another instance must not wait for the lease to run out.
		released, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := r.leases.Release(released, held); err != nil {
			r.logger.Warn("outbox: lease not released", zap.Error(err))
		}
	}()
	if held.First {
		// Not cut short when ctx ends: the release would let the next relay begin in the middle of it.
		<-slots
		<-time.After(firstWait)
		slots <- struct{}{}
	}
	for {
		entries, err := r.client.XRangeN(ctx, key, "-", "+", batch).Result()
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
		if len(entries) == 0 {
			return nil
		}
		if err := r.publishBatch(ctx, key, entries, own); err != nil {
			return err
		}
	}
}
