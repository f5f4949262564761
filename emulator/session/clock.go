// Package session is the clock by which the emulator lives: real, fixed, accelerated, or in a market that never closes.
package session

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// Mode is how the emulator's clock runs.
type Mode string

// The clock modes.
const (
	// AlwaysOpen runs with real time, and the market is open at any hour of any day.
	AlwaysOpen Mode = "always-open"
	// Real runs with real time and the exchange's sessions.
	Real Mode = "real"
	// Fixed stands still until Set moves it.
	Fixed Mode = "fixed"
	// Accelerated runs faster than real time by a factor.
	Accelerated Mode = "accelerated"
)

// The exchange's calendar is the one that all of the project lives by.
type (
	// Calendar is NYSE's calendar.
	Calendar = market.Calendar
	// Day is one trading day.
	Day = market.Day
	// Phase is a part of the trading day.
	Phase = market.Phase
	// Stretch is a span of time within which the phase does not change.
	Stretch = market.Stretch
)

// The phases of a day.
const (
	Closed     = market.PhaseClosed
	PreMarket  = market.PhasePre
	Regular    = market.PhaseRegular
	AfterHours = market.PhaseAfter
)

// Calendar years that Alpaca's calendar serves.
const (
	FirstYear = market.FirstYear
	LastYear  = market.LastYear
)

// NewCalendar computes the exchange's calendar. It fails only when the program was built without its zone database.
func NewCalendar() (*Calendar, error) { return market.NewCalendar() }

// ErrMode is returned for a clock mode that does not exist.
var ErrMode = errors.New("unknown market clock")

// Clock is the emulator's time together with the calendar. It may be used concurrently.
type Clock struct {
	Calendar *Calendar

	mode  Mode
	base  clock.Clock
	speed float64

	mu     sync.RWMutex
	origin time.Time // base time at which the clock showed start
	start  time.Time
}

// Settings configure a Clock. The zero value is AlwaysOpen.
type Settings struct {
	Mode  Mode
	Start time.Time // what Fixed and Accelerated begin at; zero: now
	Speed float64   // Accelerated: emulated seconds per real second; zero: 60
}

// NewClock returns a clock that runs on base. ErrMode when the mode does not exist.
func NewClock(settings Settings, base clock.Clock) (*Clock, error) {
	calendar, err := NewCalendar()
	if err != nil {
		return nil, err
	}
	c := &Clock{Calendar: calendar, mode: settings.Mode, base: base, speed: 1}
	c.origin, c.start = base.Now(), settings.Start
	switch settings.Mode {
	case "":
		c.mode = AlwaysOpen
	case AlwaysOpen, Real:
	case Fixed:
		c.speed = 0
	case Accelerated:
		c.speed = settings.Speed
		if c.speed <= 0 {
			c.speed = 60
		}
	default:
		return nil, fmt.Errorf("%w: %q (want always-open, real, fixed or accelerated)", ErrMode, settings.Mode)
	}
	if c.start.IsZero() {
		c.start = c.origin
	}
	return c, nil
}

// Now returns the emulator's time, in UTC.
func (c *Clock) Now() time.Time {
	now := c.base.Now()
	c.mu.RLock()
	elapsed, start := now.Sub(c.origin), c.start
	c.mu.RUnlock()
	if c.speed != 1 {
		elapsed = time.Duration(float64(elapsed) * c.speed)
	}
	return start.Add(elapsed).UTC().Round(0)
}

// Set makes the clock show now and go on from there.
func (c *Clock) Set(now time.Time) {
	base := c.base.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.origin, c.start = base, now
}

// Phase returns the part of the trading day that t is in; always Regular when the market never closes.
func (c *Clock) Phase(t time.Time) Phase {
	if c.mode == AlwaysOpen {
		return Regular
	}
	return c.Calendar.Phase(t)
}

// Hours of the overnight session, New York.
const (
	nightBegins = 20
	nightEnds   = 4
)

// Overnight reports whether the overnight session before a trading day runs at t: from 20:00 to 4:00, not before a holiday, in
// full before and after half days (Alpaca's page on 24/5 trading). It never does in a market that never closes.
func (c *Clock) Overnight(t time.Time) bool {
	_, ok := c.Night(t)
	return ok
}

// Night returns the trading day whose overnight session runs at t.
func (c *Clock) Night(t time.Time) (day Day, ok bool) {
	if c.mode == AlwaysOpen {
		return Day{}, false
	}
	local := t.In(c.Calendar.Location())
	switch hour := local.Hour(); {
	case hour >= nightBegins:
		return c.Calendar.DayOf(local.AddDate(0, 0, 1))
	case hour < nightEnds:
		return c.Calendar.DayOf(local)
	default:
		return Day{}, false
	}
}

// MarketTime returns the last moment at or before t at which prices moved.
func (c *Clock) MarketTime(t time.Time) time.Time {
	if c.Phase(t) != Closed {
		return t
	}
	if day, ok := c.Calendar.DayOf(t); ok && !t.Before(day.SessionClose) {
		return day.SessionClose
	}
	return c.Calendar.Previous(t).SessionClose
}

// Stretch returns the stretch that t lies in. When the market never closes, it has no bounds that matter.
func (c *Clock) Stretch(t time.Time) Stretch {
	if c.mode == AlwaysOpen {
		zone := c.Calendar.Location()
		return Stretch{
			Phase: Regular,
			Start: time.Date(FirstYear, time.January, 1, 0, 0, 0, 0, zone),
			End:   time.Date(LastYear+1, time.January, 1, 0, 0, 0, 0, zone),
		}
	}
	return c.Calendar.Stretch(t)
}

// TradingDay returns the trading day on t's New York date; ok is false when the exchange is closed that day. The calendar
// is the exchange's in every mode.
func (c *Clock) TradingDay(t time.Time) (day Day, ok bool) { return c.Calendar.DayOf(t) }

// Location is New York's zone.
func (c *Clock) Location() *time.Location { return c.Calendar.Location() }
