// Package hours knows which session the exchange is in. Alpaca's own clock decides, because it also knows of a day of
// mourning or a halt of everything; the calendar stands in for it before the first answer and while Alpaca is away.
package hours

import (
	"context"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// Session is the session at one moment.
type Session struct {
	Phase market.Phase
	// Open is true in the regular session.
	Open bool
	// Until is when the session is expected to end.
	Until time.Time
}

// Source reads Alpaca's clock and calendar. Implementations may be used concurrently.
type Source interface {
	Clock(ctx context.Context) (*alpaca.Clock, error)
	// Calendar returns the trading days from start to end, both inclusive.
	Calendar(ctx context.Context, start, end time.Time) ([]alpaca.CalendarDay, error)
}

// reading is what was read of Alpaca, as all instances share it through Redis.
type reading struct {
	// ReadAt is this side's time of the clock, DaysAt that of the days.
	ReadAt time.Time            `json:"read_at"`
	Clock  alpaca.Clock         `json:"clock"`
	DaysAt time.Time            `json:"days_at"`
	Days   []alpaca.CalendarDay `json:"days"`
}

// view is a reading in the form in which it is asked. It does not change.
type view struct {
	calendar *market.Calendar
	told     bool // whether Alpaca said anything
	open     bool
	until    time.Time
	// surprise is true when Alpaca's clock and the calendar disagree about the market being open: then the calendar is no
	// guide to what comes after until, either. An emulator whose market never closes is such a case.
	surprise bool
}

func (v *view) session(now time.Time) Session {
	stretch := v.calendar.Stretch(now)
	if v.told && (now.Before(v.until) || v.surprise) {
		switch {
		case v.open:
			return Session{Phase: market.PhaseRegular, Open: true, Until: later(v.until, now)}
		case stretch.Phase == market.PhaseRegular:
			return Session{Phase: market.PhaseClosed, Until: later(v.until, now)}
		}
	}
	return Session{Phase: stretch.Phase, Open: stretch.Phase == market.PhaseRegular, Until: stretch.End}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// viewOf turns a reading into a view. The days that can't be read are left to the rules of the calendar.
func viewOf(rules *market.Calendar, r *reading) *view {
	v := &view{calendar: rules.With(daysOf(r.Days, rules.Location()))}
	if r.ReadAt.IsZero() {
		return v
	}
	next := r.Clock.NextOpen
	if r.Clock.IsOpen {
		next = r.Clock.NextClose
	}
	// Durations by Alpaca's clock, so that a difference between the clocks does not matter.
	v.told, v.open, v.until = true, r.Clock.IsOpen, r.ReadAt.Add(next.Sub(r.Clock.Timestamp))
	v.surprise = v.open != (v.calendar.Phase(r.Clock.Timestamp) == market.PhaseRegular)
	return v
}

func daysOf(told []alpaca.CalendarDay, zone *time.Location) []market.Day {
	days := make([]market.Day, 0, len(told))
	for _, d := range told {
		var day market.Day
		for _, part := range []struct {
			into         *time.Time
			layout, text string
		}{
			{&day.Open, "2006-01-02 15:04", d.Date + " " + d.Open},
			{&day.Close, "2006-01-02 15:04", d.Date + " " + d.Close},
			{&day.SessionOpen, "2006-01-02 1504", d.Date + " " + d.SessionOpen},
			{&day.SessionClose, "2006-01-02 1504", d.Date + " " + d.SessionClose},
		} {
			parsed, err := time.ParseInLocation(part.layout, part.text, zone)
			if err != nil {
				return nil
			}
			*part.into = parsed
		}
		days = append(days, day)
	}
	return days
}
