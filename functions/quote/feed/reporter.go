package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/quote/feed/status"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// reporter tells all instances how the feed is, every second and whenever something changes. Its methods may be called
// concurrently.
type reporter struct {
	*feed
	held   lease.Lease
	script *redis.Script
	wake   chan struct{}

	mu      sync.Mutex
	classes []status.Class
}

func newReporter(f *feed, held lease.Lease) *reporter {
	count := len(tick.Classes())
	r := &reporter{
		feed: f, held: held, wake: make(chan struct{}, 1), classes: make([]status.Class, count),
		// The status says who leads: a former owner must not.
		script: redis.NewScript(`
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[2])
return 1`),
	}
	for i := range r.classes {
		r.classes[i] = status.Class{State: status.Idle, Since: f.platform.Clock.Now()}
	}
	return r
}

// recall takes over what the former leader said last: what was live then has been interrupted since, and a gap that it
// did not see the end of goes on.
func (r *reporter) recall(ctx context.Context) {
	data, err := r.platform.Redis.Get(ctx, store.FeedStatusKey()).Bytes()
	if errors.Is(err, redis.Nil) {
		return
	}
	var former *status.Feed
	if err == nil {
		former, err = status.Decode(data)
	}
	if err != nil {
		r.platform.Logger.Warn("feed: former status not read", zap.Error(err))
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, class := range former.Classes {
		r.classes[i].Gaps, r.classes[i].From, r.classes[i].To, r.classes[i].Down = class.Gaps, class.From, class.To, class.Down
		if class.State == status.Live {
			r.classes[i].Down = former.At
		}
	}
}

// live says that data flows from a source, and ends the gap if there was one.
func (r *reporter) live(class tick.Class, source string, limited []string) {
	now := r.platform.Clock.Now()
	r.set(class, func(c *status.Class) {
		if !c.Down.IsZero() {
			c.Gaps++
			c.From, c.To, c.Down = c.Down, now, time.Time{}
		}
		c.Limited = limited
		if c.State != status.Live || c.Source != source {
			c.State, c.Source, c.Since, c.Detail = status.Live, source, now, ""
		}
	})
}

// connecting says that there is no data now, and why.
func (r *reporter) connecting(class tick.Class, detail string) {
	now := r.platform.Clock.Now()
	r.set(class, func(c *status.Class) {
		if c.State == status.Live {
			c.Down = now
		}
		if c.State != status.Connecting {
			c.State, c.Since = status.Connecting, now
		}
		c.Detail = detail
	})
}

// idle says that nobody watches anything of the class: nothing can be missed.
func (r *reporter) idle(class tick.Class) {
	now := r.platform.Clock.Now()
	r.set(class, func(c *status.Class) {
		c.Down = time.Time{}
		if c.State != status.Idle {
			c.State, c.Since, c.Detail, c.Limited = status.Idle, now, "", nil
		}
	})
}

func (r *reporter) set(class tick.Class, change func(c *status.Class)) {
	r.mu.Lock()
	change(&r.classes[class])
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// run reports until ctx ends.
func (r *reporter) run(ctx context.Context) {
	ticker := time.NewTicker(status.Every)
	defer ticker.Stop()
	for {
		r.report(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-r.wake:
		}
	}
}

func (r *reporter) report(ctx context.Context) {
	said := status.Feed{Token: r.held.Token, At: r.platform.Clock.Now()}
	r.mu.Lock()
	said.Classes = append(said.Classes, r.classes...)
	r.mu.Unlock()
	encoded, err := said.Encode()
	if err == nil {
		err = r.script.Run(ctx, r.platform.Redis, []string{r.held.Key, store.FeedStatusKey()},
			r.held.Token, encoded, status.Life.Milliseconds(), store.FeedStatusChannel()).Err()
	}
	if err != nil && ctx.Err() == nil {
		r.platform.Logger.Warn("feed: status not reported", zap.Error(err))
	}
}
