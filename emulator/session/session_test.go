package session_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

// closures are the weekdays on which NYSE is closed, and those with a 13:00 close, by the exchange's own notices.
func closures() map[int]struct{ closed, half []string } {
	return map[int]struct{ closed, half []string }{
		2024: {
			[]string{"01-01", "01-15", "02-19", "03-29", "05-27", "06-19", "07-04", "09-02", "11-28", "12-25"},
			[]string{"07-03", "11-29", "12-24"},
		},
		2025: {
			[]string{"01-01", "01-09", "01-20", "02-17", "04-18", "05-26", "06-19", "07-04", "09-01", "11-27", "12-25"},
			[]string{"07-03", "11-28", "12-24"},
		},
		2026: {
			[]string{"01-01", "01-19", "02-16", "04-03", "05-25", "06-19", "07-03", "09-07", "11-26", "12-25"},
			[]string{"11-27", "12-24"},
		},
		2027: {
			[]string{"01-01", "01-18", "02-15", "03-26", "05-31", "06-18", "07-05", "09-06", "11-25", "12-24"},
			[]string{"11-26"},
		},
		2028: {
			[]string{"01-17", "02-21", "04-14", "05-29", "06-19", "07-04", "09-04", "11-23", "12-25"},
			[]string{"07-03", "11-24"},
		},
	}
}

func TestCalendarMatchesTheExchange(t *testing.T) {
	t.Parallel()
	calendar := newCalendar(t)
	for year, want := range closures() {
		var closed, half []string
		for day := time.Date(year, 1, 1, 12, 0, 0, 0, calendar.Location()); day.Year() == year; day = day.AddDate(0, 0, 1) {
			if day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
				continue
			}
			trading, ok := calendar.DayOf(day)
			switch {
			case !ok:
				closed = append(closed, day.Format("01-02"))
			case trading.Close.Hour() == 13:
				half = append(half, day.Format("01-02"))
			}
		}
		if !slices.Equal(closed, want.closed) {
			t.Errorf("%d closed = %v, want %v", year, closed, want.closed)
		}
		if !slices.Equal(half, want.half) {
			t.Errorf("%d half days = %v, want %v", year, half, want.half)
		}
	}
}

func newCalendar(tb testing.TB) *session.Calendar {
	tb.Helper()
	calendar, err := session.NewCalendar()
	if err != nil {
		tb.Fatal(err)
	}
	return calendar
}

func at(text string) time.Time {
	location, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(err)
	}
	parsed, err := time.ParseInLocation("2006-01-02 15:04", text, location)
	if err != nil {
		panic(err)
	}
	return parsed
}

func TestNextOpenAndClose(t *testing.T) {
	t.Parallel()
	calendar := newCalendar(t)
	cases := []struct{ name, now, open, shut string }{
		{"captured on a Friday morning", "2026-07-24 10:42", "2026-07-27 09:30", "2026-07-24 16:00"},
		{"captured before the open", "2026-09-24 04:10", "2026-09-24 09:30", "2026-09-24 16:00"},
		{"over a holiday into a half day", "2026-11-25 16:00", "2026-11-27 09:30", "2026-11-27 13:00"},
		{"at the open", "2026-11-23 09:30", "2026-11-24 09:30", "2026-11-23 16:00"},
	}
	for _, c := range cases {
		if got := calendar.NextOpen(at(c.now)); !got.Equal(at(c.open)) {
			t.Errorf("%s: next open = %s, want %s", c.name, got, c.open)
		}
		if got := calendar.NextClose(at(c.now)); !got.Equal(at(c.shut)) {
			t.Errorf("%s: next close = %s, want %s", c.name, got, c.shut)
		}
	}
}

// TestGoodTillCanceledEnd uses the order captured on 2026-09-27.
func TestGoodTillCanceledEnd(t *testing.T) {
	t.Parallel()
	got := newCalendar(t).GoodTillCanceledEnd(at("2026-09-27 20:00"))
	if want := time.Date(2026, 12, 24, 21, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	hours, err := session.NewClock(session.Settings{Mode: session.Real}, clock.NewFake(at("2026-11-23 12:00")))
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]session.Phase{
		"2026-11-23 03:59": session.Closed, "2026-11-23 04:00": session.PreMarket, "2026-11-23 09:30": session.Regular,
		"2026-11-23 16:00": session.AfterHours, "2026-11-23 20:00": session.Closed, "2026-11-22 12:00": session.Closed,
		"2026-11-27 13:00": session.AfterHours, "2026-11-27 17:00": session.Closed, "2026-11-26 12:00": session.Closed,
	}
	for text, want := range cases {
		if got := hours.Phase(at(text)); got != want {
			t.Errorf("%s: phase %d, want %d", text, got, want)
		}
	}
	if got := hours.MarketTime(at("2026-11-22 12:00")); !got.Equal(at("2026-11-20 20:00")) {
		t.Errorf("prices of Sunday are of %s", got)
	}
}

func TestClockModes(t *testing.T) {
	t.Parallel()
	start := at("2026-03-02 09:30")
	cases := []struct {
		settings session.Settings
		want     time.Time
	}{
		{session.Settings{}, at("2026-11-22 12:01")},
		{session.Settings{Mode: session.Real}, at("2026-11-22 12:01")},
		{session.Settings{Mode: session.Fixed, Start: start}, start},
		{session.Settings{Mode: session.Accelerated, Start: start, Speed: 30}, start.Add(30 * time.Minute)},
		{session.Settings{Mode: session.Accelerated, Start: start}, start.Add(time.Hour)},
	}
	for _, c := range cases {
		fake := clock.NewFake(at("2026-11-22 12:00"))
		hours, err := session.NewClock(c.settings, fake)
		if err != nil {
			t.Fatal(err)
		}
		fake.Advance(time.Minute)
		if got := hours.Now(); !got.Equal(c.want) {
			t.Errorf("%q: now = %s, want %s", c.settings.Mode, got, c.want)
		}
		hours.Set(start)
		if got := hours.Now(); !got.Equal(start) {
			t.Errorf("%q: after Set now = %s", c.settings.Mode, got)
		}
	}
	if _, err := session.NewClock(session.Settings{Mode: "lunar"}, clock.System{}); !errors.Is(err, session.ErrMode) {
		t.Errorf("unknown mode: %v", err)
	}
}

// TestStretches walks through a week with a holiday and a half day: stretches follow each other without a gap, and Phase and
// MarketTime agree with them.
func TestStretches(t *testing.T) {
	t.Parallel()
	hours := newClock(t, session.Settings{Mode: session.Real})
	last := time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)
	previous := session.Stretch{}
	count := 0
	for at := time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC); at.Before(last); {
		stretch := hours.Stretch(at)
		if at.Before(stretch.Start) || !at.Before(stretch.End) {
			t.Fatalf("%s is not in %s to %s", at, stretch.Start, stretch.End)
		}
		if count > 0 && (!stretch.Start.Equal(previous.End) || stretch.Phase == previous.Phase) {
			t.Fatalf("%v after %v", stretch, previous)
		}
		for _, moment := range []time.Time{stretch.Start, stretch.End.Add(-1)} {
			if got := hours.Phase(moment); got != stretch.Phase {
				t.Errorf("phase at %s = %d, want %d", moment, got, stretch.Phase)
			}
		}
		if stretch.Phase == session.Closed {
			if got := hours.MarketTime(stretch.End.Add(-1)); !got.Equal(stretch.Start) {
				t.Errorf("market time = %s, want %s", got, stretch.Start)
			}
		}
		previous, at = stretch, stretch.End
		count++
	}
	if count != 18 { // four sessions of three stretches and a morning, each after a closed one
		t.Errorf("%d stretches", count)
	}
	always := newClock(t, session.Settings{}).Stretch(last)
	if always.Phase != session.Regular || always.End.Year() < 2029 {
		t.Errorf("always open: %v", always)
	}
}

func TestTradingDay(t *testing.T) {
	t.Parallel()
	hours := newClock(t, session.Settings{})
	if day, ok := hours.TradingDay(time.Date(2026, time.November, 27, 17, 0, 0, 0, time.UTC)); !ok || day.Close.UTC().Hour() != 18 {
		t.Errorf("day after Thanksgiving: %v, %t", day, ok)
	}
	if _, ok := hours.TradingDay(time.Date(2026, time.November, 26, 17, 0, 0, 0, time.UTC)); ok {
		t.Error("Thanksgiving is a trading day")
	}
}

func newClock(t testing.TB, settings session.Settings) *session.Clock {
	t.Helper()
	hours, err := session.NewClock(settings, clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	return hours
}
