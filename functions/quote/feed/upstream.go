package feed

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/marketfeed"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

const (
	// idleAfter is how long a connection without topics is kept for the next client.
	idleAfter = 30 * time.Second
	// firstBackoff is the wait after the first failure in a row; a connection that held for steady was none.
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 30 * time.Second
	busyBackoff  = time.Minute
	steady       = time.Minute
	// maxSilence bounds how patient the watchdog becomes when reconnecting brings nothing either.
	maxSilence = 15 * time.Minute
	lookEvery  = time.Second
)

var (
	errIdle   = errors.New("nobody watches anything")
	errSilent = errors.New("nothing came from an open market")
)

// upstream holds one connection for one class. Its fields belong to the goroutine of run, but for those that say
// otherwise.
type upstream struct {
	*leader
	class   tick.Class
	series  ofClass
	wake    chan struct{}
	poller  *poller
	source  int // of sources: those before it are not in the plan
	account int // of the market-data accounts: the one whose turn it is
	silence time.Duration

	lastEvent atomic.Int64 // Unix nanoseconds
	held      atomic.Pointer[map[tick.Topic]bool]

	mu     sync.Mutex
	wanted map[tick.Topic]int // guarded by mu; nil until it was heard what is watched
}

func newUpstream(l *leader, class tick.Class) *upstream {
	u := &upstream{
		leader: l, class: class, series: l.metrics.of(class), wake: make(chan struct{}, 1), silence: l.config.SilentAfter,
	}
	u.poller = newPoller(u)
	u.held.Store(&map[tick.Topic]bool{})
	return u
}

// want says by how many instances each topic is watched. It may be called concurrently.
func (u *upstream) want(topics map[tick.Topic]int) {
	u.mu.Lock()
	u.wanted = topics
	u.mu.Unlock()
	select {
	case u.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// wantedNow returns what is watched. Nobody changes it.
func (u *upstream) wantedNow() map[tick.Topic]int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.wanted
}

// run makes one connection after the other until ctx ends.
func (u *upstream) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		if wanted := u.wantedNow(); len(wanted) == 0 {
			if wanted != nil {
				u.reporter.idle(u.class)
			}
			select {
			case <-ctx.Done():
			case <-u.wake:
			}
			continue
		}
		opened := time.Now()
		err := u.session(ctx)
		u.series.live.Set(0)
		if ctx.Err() != nil || errors.Is(err, errIdle) {
			continue
		}
		if failures++; time.Since(opened) > steady {
			failures = 1
		}
		u.reporter.connecting(u.class, publicReason(err))
		u.platform.Logger.Warn("feed: upstream connection ended", zap.Stringer("class", u.class), zap.Error(err))
		pause(ctx, u.backoff(err, failures))
	}
}

// backoff decides what to do after a failure, and returns how long to wait before it.
func (u *upstream) backoff(err error, failures int) time.Duration {
	switch {
	case errors.Is(err, marketfeed.ErrNotInPlan):
		u.metrics.failed(failureConnect)
		u.source = (u.source + 1) % len(u.sources[u.class])
		if u.source != 0 {
			return 0 // the next one at once; after the last there is nothing to hurry for
		}
		failures = max(failures, 7)
	case errors.Is(err, marketfeed.ErrAuthFailed):
		u.metrics.failed(failureConnect)
		u.account++
	case errors.Is(err, marketfeed.ErrBusy):
		u.metrics.failed(failureConnect)
		return jitter(busyBackoff)
	case errors.Is(err, errSilent), errors.Is(err, marketfeed.ErrSilent):
		u.metrics.failed(failureSilent)
	default:
		u.metrics.failed(failureCut)
	}
	return jitter(min(maxBackoff, firstBackoff<<min(failures-1, 10)))
}

// jitter spreads a wait over half of it, so that instances don't come at once.
func jitter(d time.Duration) time.Duration { return d/2 + time.Duration(rand.Int64N(int64(d/2)+1)) }

// publicReason says why there is no data, in words that clients may see.
func publicReason(err error) string {
	switch {
	case errors.Is(err, marketfeed.ErrNotInPlan):
		return "the source is not in the data plan"
	case errors.Is(err, marketfeed.ErrAuthFailed):
		return "Alpaca refuses the market-data credentials"
	case errors.Is(err, marketfeed.ErrConnectionLimit):
		return "another connection holds the place"
	case errors.Is(err, errSilent), errors.Is(err, marketfeed.ErrSilent):
		return "nothing was heard"
	default:
		return "the connection to Alpaca was lost"
	}
}

// session is one connection, from its opening to its end. It returns why it ended.
func (u *upstream) session(ctx context.Context) error {
	credentials, err := u.credentials(ctx)
	if err != nil {
		return err
	}
	source := u.sources[u.class][u.source]
	socket, err := u.dialer.Dial(ctx, source, credentials, func() {
		u.reporter.connecting(u.class, publicReason(marketfeed.ErrConnectionLimit))
	})
	if err != nil {
		return err
	}
	defer socket.Close()
	u.series.connects.Inc()
	u.platform.Logger.Info("feed: connected", zap.Stringer("class", u.class), zap.String("source", source.Name))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var reading sync.WaitGroup
	reading.Go(func() { cancel(socket.Run(ctx, u.take)) })
	defer reading.Wait()
	defer cancel(nil)
	return u.serve(ctx, newSubscription(u, socket, source))
}

// credentials are those of the market-data account whose turn it is.
func (u *upstream) credentials(ctx context.Context) (alpaca.Credentials, error) {
	accounts, err := u.platform.Accounts.MarketData(ctx)
	if err != nil {
		return alpaca.Credentials{}, err
	}
	return accounts[u.account%len(accounts)].Credentials, nil
}

// take hands one event on, if it is of a topic that was subscribed to: what else comes was not asked for, or is garbage.
func (u *upstream) take(e *tick.Event) {
	if !(*u.held.Load())[e.Topic] {
		return
	}
	u.lastEvent.Store(time.Now().UnixNano())
	u.series.events.Inc()
	u.publish(e)
}

// publish hands one event to all who want it. What reads share is of the source that they say it is of: prices of
// another one go to streams alone, which name theirs.
func (u *upstream) publish(e *tick.Event) {
	u.publisher.add(e, u.sources[u.class][u.source].Name == u.config.Of(u.class))
	u.crossings.observe(e)
}

// serve keeps the subscription as it is wanted until ctx ends, nobody wants anything, or nothing is heard.
func (u *upstream) serve(ctx context.Context, s *subscription) error {
	u.lastEvent.Store(time.Now().UnixNano())
	defer func() {
		u.held.Store(&map[tick.Topic]bool{})
		u.poller.set(nil)
		u.series.topics.Set(0)
	}()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	polled, cancel := context.WithCancel(ctx)
	var polling sync.WaitGroup
	polling.Go(func() { u.poller.run(polled) })
	defer polling.Wait()
	defer cancel()
	emptySince := time.Time{}
	for {
		wanted := u.wantedNow()
		if err := s.sync(ctx, wanted); err != nil {
			return endOf(ctx, err)
		}
		u.series.live.Set(1)
		u.reporter.live(u.class, s.source.Name, s.limitedNames())
		select {
		case <-ctx.Done():
			return endOf(ctx, ctx.Err())
		case <-u.wake:
		case <-look.C:
		}
		switch {
		case len(u.wantedNow()) > 0:
			emptySince = time.Time{}
		case emptySince.IsZero():
			emptySince = time.Now()
		case time.Since(emptySince) > idleAfter:
			return errIdle
		}
		if u.silent(s) {
			return errSilent
		}
	}
}

// endOf is the reason of the end of ctx if it has ended, or err.
func endOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// silent reports whether an open market has said nothing for too long. Each time the patience doubles, because few and
// rarely traded symbols are silent too.
func (u *upstream) silent(s *subscription) bool {
	last := time.Unix(0, u.lastEvent.Load())
	u.series.last.Set(float64(last.Unix()))
	open := u.class == tick.Crypto || u.platform.Hours.Now().Open
	if len(s.held) == 0 || !open {
		u.lastEvent.Store(time.Now().UnixNano())
		return false
	}
	quiet := time.Since(last)
	if quiet < u.config.SilentAfter {
		if quiet < lookEvery {
			u.silence = u.config.SilentAfter
		}
		return false
	}
	if quiet < u.silence {
		return false
	}
	u.silence = min(2*u.silence, maxSilence)
	return true
}
