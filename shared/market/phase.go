package market

import "time"

// Phase is a part of the trading day.
type Phase int

// The phases of a day.
const (
	PhaseClosed Phase = iota
	PhasePre
	PhaseRegular
	PhaseAfter
)

// String returns the phase's name: closed, pre, regular or after.
func (p Phase) String() string {
	switch p {
	case PhasePre:
		return "pre"
	case PhaseRegular:
		return "regular"
	case PhaseAfter:
		return "after"
	default:
		return "closed"
	}
}

// Stretch is a span of time within which the phase does not change: from Start to just before End.
type Stretch struct {
	Phase      Phase
	Start, End time.Time
}

// Phase returns the part of the trading day that t is in.
func (c *Calendar) Phase(t time.Time) Phase { return c.Stretch(t).Phase }

// Stretch returns the stretch that t lies in.
func (c *Calendar) Stretch(t time.Time) Stretch {
	day, ok := c.DayOf(t)
	switch {
	case !ok:
		return Stretch{PhaseClosed, c.Previous(t).SessionClose, c.Next(t).SessionOpen}
	case t.Before(day.SessionOpen):
		return Stretch{PhaseClosed, c.Previous(t).SessionClose, day.SessionOpen}
	case t.Before(day.Open):
		return Stretch{PhasePre, day.SessionOpen, day.Open}
	case t.Before(day.Close):
		return Stretch{PhaseRegular, day.Open, day.Close}
	case t.Before(day.SessionClose):
		return Stretch{PhaseAfter, day.Close, day.SessionClose}
	default:
		return Stretch{PhaseClosed, day.SessionClose, c.Next(t).SessionOpen}
	}
}
