package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/quote/interest"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

const (
	// standby is how often a standby tries to take over.
	standby = 200 * time.Millisecond
	// rereadEvery is how often interest is read without having heard of a change: a message may have been lost.
	rereadEvery = time.Second
)

// run leads whenever it has the lease, until ctx ends.
func (f *feed) run(ctx context.Context) {
	for ctx.Err() == nil {
		held, err := f.platform.Leases.Acquire(ctx, store.FeedLeaseKey(), f.config.LeaseLife)
		if err != nil {
			if !errors.Is(err, lease.ErrHeld) && ctx.Err() == nil {
				f.platform.Logger.Warn("feed: lease not acquired", zap.Error(err))
			}
			pause(ctx, standby)
			continue
		}
		own, stop := f.platform.Leases.Hold(ctx, held, f.config.LeaseLife)
		f.platform.Logger.Info("feed: leading", zap.Int64("token", held.Token))
		f.metrics.leading.Set(1)
		f.lead(own, held)
		f.metrics.leading.Set(0)
		f.platform.Logger.Info("feed: no longer leading", zap.NamedError("reason", context.Cause(own)))
		stop()
	}
}

// leader is what one term of leading consists of.
type leader struct {
	*feed
	held      lease.Lease
	publisher *publisher
	reporter  *reporter
	crossings *crossings
	upstreams map[tick.Class]*upstream
	// watched is by how many instances each topic is watched; it belongs to the goroutine of followInterest.
	watched map[tick.Topic]int
}

// lead holds the sockets until ctx ends, and returns when all of them are closed.
func (f *feed) lead(ctx context.Context, held lease.Lease) {
	l := &leader{feed: f, held: held, publisher: newPublisher(f, held.Token), upstreams: make(map[tick.Class]*upstream)}
	l.reporter = newReporter(f, held)
	l.crossings = newCrossings(l)
	l.reporter.recall(ctx)
	var parts sync.WaitGroup
	for _, class := range tick.Classes() {
		u := newUpstream(l, class)
		l.upstreams[class] = u
		parts.Go(func() { u.run(ctx) })
	}
	parts.Go(func() { l.publisher.run(ctx) })
	parts.Go(func() { l.crossings.run(ctx) })
	parts.Go(func() { l.reporter.run(ctx) })
	parts.Go(func() { l.followInterest(ctx) })
	parts.Wait()
}

// followInterest tells the upstreams what is watched.
func (l *leader) followInterest(ctx context.Context) {
	subscription := l.platform.Redis.Subscribe(ctx, store.InterestChannel())
	defer func() { _ = subscription.Close() }() // nothing is left to be done about an error
	changes := subscription.ChannelWithSubscriptions()
	reread := time.NewTicker(rereadEvery)
	defer reread.Stop()
	reader := interest.NewReader(l.platform.Redis)
	for {
		l.readInterest(ctx, reader)
		select {
		case <-ctx.Done():
			return
		case <-reread.C:
		case <-l.crossings.changed:
			l.tellUpstreams()
			continue
		case _, open := <-changes:
			if !open {
				changes = nil // the client was closed: the ticker is left
			}
			drain(changes)
		}
	}
}

// drain takes what has arrived already: one read answers all of it.
func drain(changes <-chan any) {
	for {
		select {
		case _, open := <-changes:
			if !open {
				return
			}
		default:
			return
		}
	}
}

func (l *leader) readInterest(ctx context.Context, reader *interest.Reader) {
	watched, changed, err := reader.Read(ctx)
	if err != nil {
		if ctx.Err() == nil {
			l.metrics.failed(failureInterest)
			l.platform.Logger.Warn("feed: interest not read", zap.Error(err))
		}
		return
	}
	if !changed {
		return
	}
	l.watched = watched
	l.tellUpstreams()
}

// crossingWeight puts what price watches need before what clients only look at, where there is not room for all.
const crossingWeight = 1000

func (l *leader) tellUpstreams() {
	byClass := make(map[tick.Class]map[tick.Topic]int)
	for _, class := range tick.Classes() {
		byClass[class] = make(map[tick.Topic]int)
	}
	for topic, count := range l.watched {
		byClass[topic.Class][topic] = count
	}
	for _, topic := range l.crossings.topics() {
		byClass[topic.Class][topic] += crossingWeight
	}
	for class, topics := range byClass {
		l.upstreams[class].want(topics)
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
