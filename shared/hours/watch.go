package hours

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

const (
	// maxAge is how old the clock's reading may be: an unscheduled close is known after that at the latest.
	maxAge = 5 * time.Minute
	// daysAge is how old the reading of the calendar may be; daysAhead and daysBack are what is read of it.
	daysAge   = 12 * time.Hour
	daysAhead = 14 * 24 * time.Hour
	daysBack  = 7 * 24 * time.Hour
	// settle is how long after the end of a session Alpaca is asked about the next one.
	settle = time.Second
	// retry is how long to wait after Alpaca did not answer.
	retry = 15 * time.Second
)

// Redis is what a Watch needs of a client.
type Redis interface {
	Get(ctx context.Context, key string) *redis.StringCmd
	Set(ctx context.Context, key string, value any, expiration time.Duration) *redis.StatusCmd
}

// Config is what a Watch needs. All fields are required.
type Config struct {
	Source Source
	Redis  Redis
	Clock  clock.Clock
	Logger *zap.Logger
}

// Watch knows the session. All instances share one reading of Alpaca through Redis, so that it costs about one call in
// five minutes. Create one with New; it may be used concurrently.
type Watch struct {
	config Config
	rules  *market.Calendar
	last   reading // of Run alone
	view   atomic.Pointer[view]
}

// New returns a watch that goes by the calendar's rules until Run has heard from Alpaca.
func New(config Config) (*Watch, error) {
	rules, err := market.NewCalendar()
	if err != nil {
		return nil, fmt.Errorf("hours: %w", err)
	}
	w := &Watch{config: config, rules: rules}
	w.view.Store(&view{calendar: rules})
	return w, nil
}

// Now returns the session. It never waits.
func (w *Watch) Now() Session { return w.view.Load().session(w.config.Clock.Now()) }

// Calendar returns the exchange's calendar with what Alpaca said about the days around today.
func (w *Watch) Calendar() *market.Calendar { return w.view.Load().calendar }

// Run follows Alpaca's clock until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := time.NewTimer(w.Refresh(ctx))
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
		wait.Stop()
	}
}

// Refresh reads what is due, from Redis where another instance read it, and returns how long that is good for. It must
// not be called beside Run.
func (w *Watch) Refresh(ctx context.Context) time.Duration {
	next := w.last
	if shared, ok := w.shared(ctx); ok && shared.ReadAt.After(next.ReadAt) {
		next = shared
	}
	if w.due(next) {
		if err := w.read(ctx, &next); err != nil {
			if ctx.Err() == nil {
				w.config.Logger.Warn("market hours from the calendar's rules: alpaca's clock was not read", zap.Error(err))
			}
			return retry
		}
	}
	w.last = next
	w.view.Store(viewOf(w.rules, &next))
	return w.untilDue()
}

// due reports whether r is too old, or of a session that has ended.
func (w *Watch) due(r reading) bool {
	now := w.config.Clock.Now()
	return r.ReadAt.IsZero() || now.Sub(r.ReadAt) >= maxAge || !now.Before(viewOf(w.rules, &r).until)
}

func (w *Watch) untilDue() time.Duration {
	now := w.config.Clock.Now()
	end := w.view.Load().until.Sub(now) + settle
	return max(settle, min(end, w.last.ReadAt.Add(maxAge).Sub(now)))
}

func (w *Watch) read(ctx context.Context, r *reading) error {
	told, err := w.config.Source.Clock(ctx)
	if err != nil {
		return err
	}
	r.ReadAt, r.Clock = w.config.Clock.Now(), *told
	if r.ReadAt.Sub(r.DaysAt) >= daysAge {
		days, err := w.config.Source.Calendar(ctx, told.Timestamp.Add(-daysBack), told.Timestamp.Add(daysAhead))
		if err != nil {
			return err
		}
		r.DaysAt, r.Days = r.ReadAt, days
	}
	encoded, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the market hours: %w", err)
	}
	if err := w.config.Redis.Set(ctx, store.MarketHoursKey(), encoded, daysAge).Err(); err != nil && ctx.Err() == nil {
		w.config.Logger.Warn("market hours not shared: redis is away", zap.Error(err))
	}
	return nil
}

// shared is what another instance read.
func (w *Watch) shared(ctx context.Context) (reading, bool) {
	text, err := w.config.Redis.Get(ctx, store.MarketHoursKey()).Bytes()
	if err != nil {
		if !errors.Is(err, redis.Nil) && ctx.Err() == nil {
			w.config.Logger.Warn("market hours not read from redis", zap.Error(err))
		}
		return reading{}, false
	}
	var r reading
	if err := json.Unmarshal(text, &r); err != nil {
		w.config.Logger.Warn("market hours in redis are malformed", zap.Error(err))
		return reading{}, false
	}
	// A reading from the future is another machine's clock, or nonsense: ask Alpaca.
	return r, !r.ReadAt.After(w.config.Clock.Now().Add(maxAge))
}
