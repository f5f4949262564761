package hours_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/hours"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

var errAway = errors.New("alpaca is away")

// source is an Alpaca that answers from the exchange's rules, unless told otherwise.
type source struct {
	clk        *clock.Fake
	always     bool   // the market never closes
	closed     string // a date on which the exchange is closed without a rule
	away       bool
	clockCalls int
	dayCalls   int
}

func (s *source) Clock(context.Context) (*alpaca.Clock, error) {
	s.clockCalls++
	if s.away {
		return nil, errAway
	}
	calendar, err := market.NewCalendar()
	if err != nil {
		return nil, err
	}
	now := s.clk.Now()
	open := calendar.Phase(now) == market.PhaseRegular && now.Format(time.DateOnly) != s.closed
	return &alpaca.Clock{
		Timestamp: now, IsOpen: open || s.always, NextOpen: calendar.NextOpen(now), NextClose: calendar.NextClose(now),
	}, nil
}

func (s *source) Calendar(_ context.Context, start, end time.Time) ([]alpaca.CalendarDay, error) {
	s.dayCalls++
	calendar, err := market.NewCalendar()
	if err != nil {
		return nil, err
	}
	var days []alpaca.CalendarDay
	for _, day := range calendar.Days(start, end) {
		if day.Date() == s.closed {
			continue
		}
		days = append(days, alpaca.CalendarDay{
			Date: day.Date(), Open: day.Open.Format("15:04"), Close: day.Close.Format("15:04"),
			SessionOpen: day.SessionOpen.Format("1504"), SessionClose: day.SessionClose.Format("1504"),
		})
	}
	return days, nil
}

func newYork(t *testing.T, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func newWatch(t *testing.T, src *source, server *miniredis.Miniredis) *hours.Watch {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	watch, err := hours.New(hours.Config{Source: src, Redis: client, Clock: src.clk, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	return watch
}

func check(t *testing.T, name string, got hours.Session, phase market.Phase, until time.Time) {
	t.Helper()
	if got.Phase != phase || got.Open != (phase == market.PhaseRegular) || !until.IsZero() && !got.Until.Equal(until) {
		t.Errorf("%s: got %+v, want phase %s until %s", name, got, phase, until)
	}
}

func TestSessionsOfADay(t *testing.T) {
	t.Parallel()
	src := &source{clk: clock.NewFake(newYork(t, "2026-11-25 03:00"))}
	watch := newWatch(t, src, miniredis.RunT(t))
	steps := []struct {
		at    string
		phase market.Phase
		until string
	}{
		{"2026-11-25 03:00", market.PhaseClosed, "2026-11-25 04:00"},
		{"2026-11-25 04:00", market.PhasePre, "2026-11-25 09:30"},
		{"2026-11-25 09:30", market.PhaseRegular, "2026-11-25 16:00"},
		{"2026-11-25 16:00", market.PhaseAfter, "2026-11-25 20:00"},
		{"2026-11-25 20:00", market.PhaseClosed, "2026-11-27 04:00"}, // Thanksgiving lies between
		{"2026-11-27 12:59", market.PhaseRegular, "2026-11-27 13:00"},
		{"2026-11-27 13:00", market.PhaseAfter, "2026-11-27 17:00"},
	}
	for _, step := range steps {
		src.clk.Set(newYork(t, step.at))
		check(t, step.at+" by the rules", watch.Now(), step.phase, newYork(t, step.until))
		watch.Refresh(t.Context())
		check(t, step.at+" by Alpaca", watch.Now(), step.phase, newYork(t, step.until))
	}
}

func TestAMarketThatNeverCloses(t *testing.T) {
	t.Parallel()
	src := &source{clk: clock.NewFake(newYork(t, "2026-11-28 12:00")), always: true} // a Saturday
	watch := newWatch(t, src, miniredis.RunT(t))
	check(t, "before the first answer", watch.Now(), market.PhaseClosed, time.Time{})
	watch.Refresh(t.Context())
	check(t, "after it", watch.Now(), market.PhaseRegular, newYork(t, "2026-11-30 16:00"))
	// Between the end that Alpaca told and the next answer the calendar, which was wrong before, is not asked.
	src.clk.Set(newYork(t, "2026-11-30 16:00"))
	check(t, "at the end of the session", watch.Now(), market.PhaseRegular, newYork(t, "2026-11-30 16:00"))
}

func TestAnUnscheduledClose(t *testing.T) {
	t.Parallel()
	src := &source{clk: clock.NewFake(newYork(t, "2026-11-24 11:00")), closed: "2026-11-24"}
	watch := newWatch(t, src, miniredis.RunT(t))
	check(t, "by the rules", watch.Now(), market.PhaseRegular, time.Time{})
	watch.Refresh(t.Context())
	check(t, "by Alpaca", watch.Now(), market.PhaseClosed, newYork(t, "2026-11-25 04:00"))
	if watch.Calendar().IsTradingDay(src.clk.Now()) {
		t.Error("the calendar has a trading day that Alpaca's has not")
	}
}

func TestInstancesShareOneReading(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	src := &source{clk: clock.NewFake(newYork(t, "2026-11-24 11:00"))}
	for range 5 {
		newWatch(t, src, server).Refresh(t.Context())
	}
	if src.clockCalls != 1 || src.dayCalls != 1 {
		t.Errorf("%d calls for the clock and %d for the calendar, want one each", src.clockCalls, src.dayCalls)
	}
	watch := newWatch(t, src, server)
	watch.Refresh(t.Context())
	src.clk.Advance(5 * time.Minute)
	watch.Refresh(t.Context())
	if src.clockCalls != 2 || src.dayCalls != 1 {
		t.Errorf("five minutes on: %d calls for the clock and %d for the calendar, want 2 and 1", src.clockCalls, src.dayCalls)
	}
}

func TestAlpacaAndRedisAway(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	src := &source{clk: clock.NewFake(newYork(t, "2026-11-24 15:00")), away: true}
	watch := newWatch(t, src, server)
	if wait := watch.Refresh(t.Context()); wait <= 0 || wait > time.Minute {
		t.Errorf("asks again after %s, want within a minute", wait)
	}
	check(t, "by the rules", watch.Now(), market.PhaseRegular, newYork(t, "2026-11-24 16:00"))
	src.away = false
	server.Close()
	watch.Refresh(t.Context())
	check(t, "without redis", watch.Now(), market.PhaseRegular, newYork(t, "2026-11-24 16:00"))
	if src.clockCalls != 2 {
		t.Errorf("%d calls for the clock, want 2: without redis Alpaca is asked all the same", src.clockCalls)
	}
}

func TestMalformedReadingInRedis(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	for _, text := range []string{"", "{", `{"read_at":"2999-01-01T00:00:00Z","clock":{"is_open":false}}`, `{"days":[{"date":"x"}]}`} {
		if err := server.Set("market-hours", text); err != nil {
			t.Fatal(err)
		}
		src := &source{clk: clock.NewFake(newYork(t, "2026-11-24 11:00"))}
		watch := newWatch(t, src, server)
		watch.Refresh(t.Context())
		check(t, text, watch.Now(), market.PhaseRegular, newYork(t, "2026-11-24 16:00"))
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	src := &source{clk: clock.NewFake(newYork(t, "2026-11-24 11:00"))}
	watch := newWatch(t, src, miniredis.RunT(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		watch.Run(ctx)
	}()
	cancel()
	<-done
}
