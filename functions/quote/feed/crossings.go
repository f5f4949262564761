package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/crossing"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

const (
	// versionsEvery is how often the versions of the watches are compared: a notice may have been lost.
	versionsEvery = 2 * time.Second
	// expireEvery is how often watches whose time is over are removed.
	expireEvery = 30 * time.Second
	// retryChange is the wait before a change that Redis did not take is tried again.
	retryChange = 200 * time.Millisecond
)

// crossings evaluates the price watches of all accounts on every tick. observe may be called concurrently.
type crossings struct {
	*leader
	store *crossing.Store
	wake  chan struct{}
	// changed is readable when other topics have to be streamed.
	changed chan struct{}

	mu       sync.Mutex
	book     *crossing.Book    // guarded by mu
	pending  []crossing.Change // guarded by mu: what is to be written down, in the order in which it happened
	versions [store.Shards]int64
	known    [store.Shards]bool
}

func newCrossings(l *leader) *crossings {
	return &crossings{
		leader: l, store: crossing.NewStore(l.platform.Redis), wake: make(chan struct{}, 1), changed: make(chan struct{}, 1), book: crossing.NewBook(),
	}
}

// observe evaluates one event. What it makes happen is written down by run.
func (c *crossings) observe(e *tick.Event) {
	c.mu.Lock()
	changes := c.book.Observe(e)
	c.pending = append(c.pending, changes...)
	c.mu.Unlock()
	if len(changes) > 0 {
		signal(c.wake)
	}
}

// topics returns what has to be streamed for the watches.
func (c *crossings) topics() []tick.Topic {
	c.mu.Lock()
	defer c.mu.Unlock()
	topics := make([]tick.Topic, 0, len(c.book.Topics()))
	for topic := range c.book.Topics() {
		topics = append(topics, topic)
	}
	return topics
}

// run keeps the watches as they are in Redis and writes crossings down, until ctx ends.
func (c *crossings) run(ctx context.Context) {
	var writing sync.WaitGroup
	writing.Go(func() { c.write(ctx) })
	defer writing.Wait()
	subscription := c.platform.Redis.Subscribe(ctx, store.WatchesChannel())
	defer func() { _ = subscription.Close() }() // nothing is left to be done about an error
	notices := subscription.Channel(redis.WithChannelSize(4096))
	compare, expire := time.NewTicker(versionsEvery), time.NewTicker(expireEvery)
	defer compare.Stop()
	defer expire.Stop()
	c.reload(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-compare.C:
			c.reload(ctx)
		case <-expire.C:
			c.expire(ctx)
		case message, open := <-notices:
			if !open {
				notices = nil // the client was closed: the tickers are left
				continue
			}
			c.take(ctx, message.Payload)
		}
	}
}

// reload loads the shards whose version is not the one that is known.
func (c *crossings) reload(ctx context.Context) {
	versions, err := c.store.Versions(ctx)
	if err != nil {
		c.fail(ctx, "versions of price watches not read", err)
		return
	}
	for shard, version := range versions {
		if !c.known[shard] || version != c.versions[shard] {
			c.load(ctx, shard)
		}
	}
}

// load replaces what is known of a shard by what is in Redis.
func (c *crossings) load(ctx context.Context, shard int) {
	entries, version, err := c.store.Load(ctx, shard, c.held.Token)
	if err != nil {
		c.fail(ctx, "price watches not loaded", err)
		return
	}
	c.mu.Lock()
	stored := make(map[string]bool, len(entries))
	for _, e := range entries {
		stored[e.ID] = true
		if c.book.Get(e.ID) == nil || !c.unwritten(e.ID) { // what is not written down yet is newer here
			c.book.Add(e)
		}
	}
	for _, e := range c.book.OfShard(shard) {
		if !stored[e.ID] {
			c.book.Remove(e.ID)
		}
	}
	c.settle()
	c.mu.Unlock()
	c.versions[shard], c.known[shard] = version, true
}

// unwritten reports whether a change of the watch waits to be written down. The caller holds mu.
func (c *crossings) unwritten(id string) bool {
	for i := range c.pending {
		if c.pending[i].Entry.ID == id {
			return true
		}
	}
	return false
}

// settle tells the others after the book has changed. The caller holds mu.
func (c *crossings) settle() {
	c.metrics.watches.Set(float64(c.book.Len()))
	signal(c.changed)
}

// take applies one notice. One that does not follow what is known shows that some were lost.
func (c *crossings) take(ctx context.Context, payload string) {
	n, err := crossing.ParseNotice(payload)
	if err != nil {
		c.fail(ctx, "notice of a price watch not understood", err)
		return
	}
	switch {
	case c.known[n.Shard] && n.Version <= c.versions[n.Shard]:
		return
	case !c.known[n.Shard] || n.Version != c.versions[n.Shard]+1:
		c.load(ctx, n.Shard)
		return
	}
	c.mu.Lock()
	if n.Added != nil {
		c.book.Add(&crossing.Entry{Watch: n.Added, Armed: true})
	} else {
		c.book.Remove(n.Removed)
	}
	c.settle()
	c.mu.Unlock()
	c.versions[n.Shard] = n.Version
}

// expire removes the watches whose time is over.
func (c *crossings) expire(ctx context.Context) {
	c.mu.Lock()
	expired := c.book.Expired(c.platform.Clock.Now())
	c.mu.Unlock()
	for _, e := range expired {
		if err := c.store.Delete(ctx, e.AccountID, e.ID); err != nil && !errors.Is(err, crossing.ErrNotFound) {
			c.fail(ctx, "expired price watch not removed", err)
			return
		}
	}
}

// write writes down what happened, in order, until ctx ends. What Redis does not take now is tried again.
func (c *crossings) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		for ctx.Err() == nil && c.writeFirst(ctx) {
		}
	}
}

// writeFirst writes the oldest change down; false when there is none, or this feed may not any more.
func (c *crossings) writeFirst(ctx context.Context) bool {
	c.mu.Lock()
	if len(c.pending) == 0 {
		c.pending = nil
		c.mu.Unlock()
		return false
	}
	first := c.pending[0]
	c.mu.Unlock()
	if first.Fired && !c.platform.Clock.Now().Before(first.Entry.ExpiresAt) {
		c.wrote()
		return true
	}
	done, err := c.store.Apply(ctx, &first, c.held.Token)
	if err != nil {
		c.fail(ctx, "price crossing not written down yet", err)
		pause(ctx, retryChange)
		return !errors.Is(err, crossing.ErrFenced)
	}
	c.wrote()
	if done && first.Fired {
		c.metrics.crossed.Inc()
		if c.platform.Relay != nil {
			c.platform.Relay.Notify(first.Entry.AccountID)
		}
	}
	return true
}

func (c *crossings) wrote() {
	c.mu.Lock()
	c.pending = c.pending[1:]
	c.mu.Unlock()
}

func (c *crossings) fail(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	c.metrics.failed(failureCrossing)
	c.platform.Logger.Warn("feed: "+what, zap.Error(err))
}

// signal makes a channel with room for one readable.
func signal(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}
