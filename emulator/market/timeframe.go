package market

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Unit is what a timeframe counts.
type Unit string

// The units, by Alpaca's names.
const (
	Minute Unit = "Min"
	Hour   Unit = "Hour"
	Day    Unit = "Day"
	Week   Unit = "Week"
	Month  Unit = "Month"
)

// Timeframe is the length of a bar.
type Timeframe struct {
	Count int
	Unit  Unit
}

// ErrTimeframe is returned for a timeframe that Alpaca does not have.
var ErrTimeframe = errors.New("invalid timeframe")

// ParseTimeframe reads 1Min to 59Min, 1Hour to 23Hour, 1Day, 1Week, and 1, 2, 3, 4, 6 or 12Month, or the short forms T, H,
// D, W and M. ErrTimeframe.
func ParseTimeframe(text string) (Timeframe, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	count, err := strconv.Atoi(digits)
	if err != nil || count < 1 || strings.HasPrefix(digits, "+") || strings.HasPrefix(digits, "0") {
		return Timeframe{}, fmt.Errorf("%w: %s", ErrTimeframe, text)
	}
	unit, allowed := unitOf(text[len(digits):], count)
	if unit == "" || !allowed {
		return Timeframe{}, fmt.Errorf("%w: %s", ErrTimeframe, text)
	}
	return Timeframe{count, unit}, nil
}

func unitOf(name string, count int) (unit Unit, allowed bool) {
	switch name {
	case "Min", "T":
		return Minute, count <= 59
	case "Hour", "H":
		return Hour, count <= 23
	case "Day", "D":
		return Day, count == 1
	case "Week", "W":
		return Week, count == 1
	case "Month", "M":
		return Month, count <= 4 || count == 6 || count == 12
	default:
		return "", false
	}
}

// String returns the long form, for example 5Min.
func (t Timeframe) String() string { return strconv.Itoa(t.Count) + string(t.Unit) }

// intraday reports whether bars are built from minutes rather than days.
func (t Timeframe) intraday() bool { return t.Unit == Minute || t.Unit == Hour }

// length is the length of an intraday timeframe.
func (t Timeframe) length() time.Duration {
	if t.Unit == Hour {
		return time.Duration(t.Count) * time.Hour
	}
	return time.Duration(t.Count) * time.Minute
}

// Start returns the stamp of the bar that holds a moment: intraday the time cut to a multiple of the length, else the
// midnight, in the zone, on which the day, the week (Monday) or the months begin.
func (t Timeframe) Start(at time.Time, zone *time.Location) time.Time {
	if t.intraday() {
		length := int64(t.length())
		return time.Unix(0, floorDivide(at.UnixNano(), length)*length).UTC()
	}
	year, month, day := at.In(zone).Date()
	switch t.Unit {
	case Week:
		weekday := (int(at.In(zone).Weekday()) + 6) % 7
		day -= weekday
	case Month:
		month = time.Month((int(month)-1)/t.Count*t.Count + 1)
		day = 1
	default: // days begin at midnight, minutes and hours were answered above
	}
	return time.Date(year, month, day, 0, 0, 0, 0, zone)
}

// End returns the start of the bar after the one that starts at a stamp.
func (t Timeframe) End(start time.Time, zone *time.Location) time.Time {
	if t.intraday() {
		return start.Add(t.length())
	}
	year, month, day := start.In(zone).Date()
	switch t.Unit {
	case Week:
		day += 7
	case Month:
		month += time.Month(t.Count)
	default:
		day++
	}
	return time.Date(year, month, day, 0, 0, 0, 0, zone)
}
