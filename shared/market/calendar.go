package market

import (
	"fmt"
	"maps"
	"time"
	_ "time/tzdata" // New York's time must be known in an image without a zone database
)

// Calendar years that Alpaca's calendar serves.
const (
	FirstYear = 1970
	LastYear  = 2029
)

// Day is one trading day. Open and Close bound the regular session, SessionOpen and SessionClose the extended one;
// all are in New York time.
type Day struct {
	Open, Close               time.Time
	SessionOpen, SessionClose time.Time
}

// Date returns the day as YYYY-MM-DD.
func (d Day) Date() string { return d.Open.Format(time.DateOnly) }

// Calendar is NYSE's calendar from FirstYear to LastYear. It is immutable after NewCalendar and may be used
// concurrently.
type Calendar struct {
	location *time.Location
	closed   map[dateKey]bool
	half     map[dateKey]bool
	known    map[dateKey]Day // what With was told, which wins
}

// dateKey is a day on the calendar, whatever the zone.
type dateKey struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) dateKey {
	year, month, day := t.Date()
	return dateKey{year, month, day}
}

// NewCalendar computes the calendar from the exchange's holiday rules. It fails only when the program was built without
// its zone database.
func NewCalendar() (*Calendar, error) {
	location, err := time.LoadLocation("America/New_York")
	if err != nil {
		return nil, fmt.Errorf("calendar: %w", err)
	}
	c := &Calendar{location: location, closed: make(map[dateKey]bool), half: make(map[dateKey]bool)}
	for year := FirstYear; year <= LastYear; year++ {
		for _, holiday := range holidays(year) {
			c.closed[dateOf(holiday)] = true
		}
	}
	for _, closure := range specialClosures() {
		c.closed[closure] = true
	}
	for year := FirstYear; year <= LastYear; year++ {
		for _, eve := range halfDays(year) {
			if c.IsTradingDay(eve) {
				c.half[dateOf(eve)] = true
			}
		}
	}
	return c, nil
}

// With returns a calendar that has the given trading days, and no other, from the first of them to the last: what the
// exchange decided after the rules were written, as Alpaca's calendar tells it. The days must be in order.
func (c *Calendar) With(days []Day) *Calendar {
	if len(days) == 0 {
		return c
	}
	told := &Calendar{location: c.location, closed: maps.Clone(c.closed), half: c.half, known: make(map[dateKey]Day, len(days))}
	for date := c.noon(days[0].Open); !date.After(c.noon(days[len(days)-1].Open)); date = date.AddDate(0, 0, 1) {
		told.closed[dateOf(date)] = true
	}
	for _, day := range days {
		delete(told.closed, dateOf(day.Open.In(c.location)))
		told.known[dateOf(day.Open.In(c.location))] = day
	}
	return told
}

// Location is New York's zone, in which the exchange lives.
func (c *Calendar) Location() *time.Location { return c.location }

// IsTradingDay reports whether the New York date of t has a regular session.
func (c *Calendar) IsTradingDay(t time.Time) bool {
	t = t.In(c.location)
	if _, known := c.known[dateOf(t)]; known {
		return true
	}
	if t.Weekday() == time.Saturday || t.Weekday() == time.Sunday {
		return false
	}
	return !c.closed[dateOf(t)]
}

// DayOf returns the trading day on t's New York date, and false when the exchange is closed that day.
func (c *Calendar) DayOf(t time.Time) (Day, bool) {
	t = t.In(c.location)
	if !c.IsTradingDay(t) {
		return Day{}, false
	}
	if day, known := c.known[dateOf(t)]; known {
		return day, true
	}
	closing, last := 16, 20
	if c.half[dateOf(t)] {
		closing, last = 13, 17
	}
	at := func(hour, minute int) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day(), hour, minute, 0, 0, c.location)
	}
	return Day{Open: at(9, 30), Close: at(closing, 0), SessionOpen: at(4, 0), SessionClose: at(last, 0)}, true
}

// Next returns the first trading day after t's New York date.
func (c *Calendar) Next(t time.Time) Day { return c.seek(t, 1) }

// Previous returns the last trading day before t's New York date.
func (c *Calendar) Previous(t time.Time) Day { return c.seek(t, -1) }

func (c *Calendar) seek(t time.Time, step int) Day {
	noon := c.noon(t)
	for {
		noon = noon.AddDate(0, 0, step)
		if day, ok := c.DayOf(noon); ok {
			return day
		}
	}
}

// noon is t's New York date at noon, a time that exists on every day.
func (c *Calendar) noon(t time.Time) time.Time {
	t = t.In(c.location)
	return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, c.location)
}

// Days returns the trading days from one date to another, both inclusive.
func (c *Calendar) Days(from, to time.Time) []Day {
	var days []Day
	end := c.noon(to)
	for date := c.noon(from); !date.After(end); date = date.AddDate(0, 0, 1) {
		if day, ok := c.DayOf(date); ok {
			days = append(days, day)
		}
	}
	return days
}

// NextOpen returns the first regular open after t.
func (c *Calendar) NextOpen(t time.Time) time.Time {
	if day, ok := c.DayOf(t); ok && t.Before(day.Open) {
		return day.Open
	}
	return c.Next(t).Open
}

// NextClose returns the first regular close after t.
func (c *Calendar) NextClose(t time.Time) time.Time {
	if day, ok := c.DayOf(t); ok && t.Before(day.Close) {
		return day.Close
	}
	return c.Next(t).Close
}

// NextSessionClose returns the first end of an extended session after t.
func (c *Calendar) NextSessionClose(t time.Time) time.Time {
	if day, ok := c.DayOf(t); ok && t.Before(day.SessionClose) {
		return day.SessionClose
	}
	return c.Next(t).SessionClose
}

// PreviousClose returns the last regular close of the trading day before t's date.
func (c *Calendar) PreviousClose(t time.Time) time.Time { return c.Previous(t).Close }

// Settlement returns the date on which a trade of t settles: one trading day later.
func (c *Calendar) Settlement(t time.Time) string { return c.Next(t).Date() }

// GoodTillCanceledEnd returns when an order that was created at t and is good till canceled expires: 16:00 on the last
// trading day at or before the ninetieth day (captured from a paper account, also across an early close).
func (c *Calendar) GoodTillCanceledEnd(t time.Time) time.Time {
	date := c.noon(t).AddDate(0, 0, 90)
	for !c.IsTradingDay(date) {
		date = date.AddDate(0, 0, -1)
	}
	return time.Date(date.Year(), date.Month(), date.Day(), 16, 0, 0, 0, c.location)
}
