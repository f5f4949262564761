package account

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

//go:embed session.lua
var sessionLua string

const (
	// consumerTicks names who remembers having handled a tick; it never changes.
	consumerTicks = "account-ticks"
	// sessionSource is the source attribute of the market events.
	sessionSource = "/functions/account/sessions"
	// sessionLife outlives the longest time without a session, and every redelivery of a tick.
	sessionLife = 14 * 24 * time.Hour
	// tickTolerance is how far a tick may come before the moment it is for, by the clocks of two machines: then it is
	// answered "later", and the broker delivers it again.
	tickTolerance = 2 * time.Second
)

// session is one state of the exchange's day, as it is announced.
type session struct {
	eventType string
	// rank is its place in the day.
	rank int
	// date is the trading day in New York.
	date string
	// at is when the state begins.
	at time.Time
}

// name is the state's own name: preopen, opened, closing or closed.
func (s session) name() string { return s.eventType[strings.LastIndexByte(s.eventType, '.')+1:] }

// place orders all sessions of all days as text.
func (s session) place() string { return fmt.Sprintf("%s:%d", s.date, s.rank) }

func preopen(date string, at time.Time) session {
	return session{event.TypeMarketPreopen, 1, date, at}
}
func opened(date string, at time.Time) session { return session{event.TypeMarketOpened, 2, date, at} }
func closing(date string, at time.Time) session {
	return session{event.TypeMarketClosing, 3, date, at}
}
func closed(date string, at time.Time) session { return session{event.TypeMarketClosed, 4, date, at} }

// sessions announces the states of the exchange's day. It keeps no state of its own and may be used concurrently, by
// any number of instances: a script in Redis lets each state through once.
type sessions struct {
	platform *platform.Platform
	lead     time.Duration
	script   *redis.Script
}

func newSessions(p *platform.Platform, lead time.Duration) *sessions {
	return &sessions{platform: p, lead: lead, script: store.NewScript(sessionLua)}
}

// errSoon: the tick came a moment before the state that it is for.
var errSoon = errors.New("a session begins in a moment")

// tick finds out what the state is and announces it unless that was done.
func (s *sessions) tick(ctx context.Context, e event.Event) error {
	if tick := event.Extension(e, event.ExtensionTick); tick != event.TickSession {
		return problem.InvalidRequest.New("ticks for %q are not handled here", tick).Field(event.ExtensionTick)
	}
	now, err := s.platform.MarketClock().Clock(ctx)
	if err != nil {
		s.platform.Logger.Warn("session by what was read before: alpaca's clock was not read", zap.Error(err))
		now = s.remembered()
	}
	current, err := sessionAt(now, s.platform.Hours.Calendar(), s.lead)
	if err != nil {
		return problem.Unavailable.New("a session begins in a moment").Because(err)
	}
	if err := s.announce(ctx, current); err != nil {
		return problem.Unavailable.New("the session can't be announced right now").Because(err)
	}
	return nil
}

// remembered is the clock's answer as far as it is known without Alpaca.
func (s *sessions) remembered() *alpaca.Clock {
	now, calendar, current := s.platform.Clock.Now(), s.platform.Hours.Calendar(), s.platform.Hours.Now()
	return &alpaca.Clock{Timestamp: now, IsOpen: current.Open, NextOpen: calendar.NextOpen(now), NextClose: calendar.NextClose(now)}
}

// sessionAt is the state at the clock's time. It fails with errSoon when another one begins within tickTolerance.
func sessionAt(now *alpaca.Clock, calendar *market.Calendar, lead time.Duration) (session, error) {
	date := func(t time.Time) string { return t.In(calendar.Location()).Format(time.DateOnly) }
	next, early := now.NextOpen, preopen
	if now.IsOpen {
		next, early = now.NextClose, closing
	}
	left := next.Sub(now.Timestamp)
	if left <= tickTolerance || (left > lead && left <= lead+tickTolerance) {
		return session{}, errSoon
	}
	if left <= lead {
		return early(date(next), next), nil
	}
	day, trading := calendar.DayOf(now.Timestamp)
	switch {
	case now.IsOpen && trading:
		return opened(day.Date(), day.Open), nil
	case now.IsOpen: // an emulator whose market never closes
		return opened(date(now.Timestamp), now.Timestamp), nil
	case trading && !now.Timestamp.Before(day.Close):
		return closed(day.Date(), day.Close), nil
	default: // a night, a weekend: the end of the last day, if nobody has told it yet
		last := calendar.Previous(now.Timestamp)
		return closed(last.Date(), last.Close), nil
	}
}

// announce writes the event into the outbox, unless the state, or a later one, was announced. The end of a day is told
// only to those who were told of its beginning: a system that is set up on a Sunday says nothing about Friday.
func (s *sessions) announce(ctx context.Context, current session) error {
	data := event.MarketSession{Session: current.name(), Date: current.date, At: current.at}
	id := "market-" + current.name() + "-" + current.date
	made, err := event.Builder{Clock: s.platform.Clock}.New(current.eventType, sessionSource, "", data,
		event.WithID(id), event.WithSubject("market"))
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(made)
	if err != nil {
		return fmt.Errorf("encode session event: %w", err)
	}
	keys := []string{
		store.MarketSessionKey(), store.OutboxKey(store.Shard(store.MarketStream)), store.SequenceKey(store.MarketStream),
		store.SeenKey(store.MarketStream, id),
	}
	end := 0
	if current.eventType == event.TypeMarketClosed {
		end = 1
	}
	news, err := s.script.Run(ctx, s.platform.Redis, keys, current.place(), store.MarketStream, encoded,
		sessionLife.Milliseconds(), intent.OutboxBound, sessionLife.Milliseconds(), end).Int()
	if err != nil {
		return fmt.Errorf("announce session: %w", err)
	}
	if news == 1 {
		s.platform.Logger.Info("session announced", zap.String("session", current.name()), zap.String("date", current.date))
		if s.platform.Relay != nil {
			s.platform.Relay.Notify(store.MarketStream)
		}
	}
	return nil
}
