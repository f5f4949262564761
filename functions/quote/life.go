package quote

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/hours"
	"github.com/opitios-ai/alpaca-knative/shared/market"
)

const (
	// finishedTTL is how long a page of history is fresh that ends in the past and can't change but by a correction.
	finishedTTL = time.Hour
	// finishedAfter is how long after its end a page of history counts as such.
	finishedAfter = 24 * time.Hour
	// longestRecent bounds the freshness of a page that still grows.
	longestRecent = time.Minute
	// chainTTL is how long a page of an option chain is fresh: it is up to 1,000 contracts at once.
	chainTTL = 5 * time.Second
	// clockTTL and calendarTTL are of the exchange's clock and of its days.
	clockTTL    = 5 * time.Second
	calendarTTL = 12 * time.Hour
	// closedStaleFor is how old the data of a closed market may be that stands in: it has not changed.
	closedStaleFor = time.Hour
)

// sessions tells the exchange's session; hours.Watch is one.
type sessions interface{ Now() hours.Session }

// lives decides how long what is read now may be used.
type lives struct {
	config   Config
	sessions sessions
}

// rests reports whether the market of a class is closed, so that its data does not change before until.
func (l *lives) rests(class alpaca.Class) (until time.Time, rests bool) {
	session := l.sessions.Now()
	switch class {
	case alpaca.ClassCrypto:
		return time.Time{}, false
	case alpaca.ClassOptions: // they trade in the regular session alone
		return session.Until, !session.Open
	default:
		aroundTheClock := l.config.Feed == "boats" || l.config.Feed == "overnight"
		return session.Until, session.Phase == market.PhaseClosed && !aroundTheClock
	}
}

// latest is the life of a quote, or of anything else that is fresh for fresh while its market is open.
func (l *lives) latest(class alpaca.Class, fresh time.Duration, now time.Time) cache.Life {
	life := cache.Life{Fresh: fresh, Revalidate: l.config.RevalidateFor, Stale: max(l.config.StaleFor, fresh), Negative: l.config.NegativeTTL}
	until, rests := l.rests(class)
	if !rests {
		return life
	}
	left := until.Sub(now)
	life.Fresh = max(fresh, min(l.config.ClosedTTL, left))
	life.Stale = max(life.Stale, min(closedStaleFor, left+l.config.StaleFor))
	return life
}

// history is the life of a page of bars or trades that ends at end, zero for now. step is the time between two of its
// items; the page grows by one in each.
func (l *lives) history(class alpaca.Class, step time.Duration, end, now time.Time) cache.Life {
	if !end.IsZero() && now.Sub(end) > finishedAfter {
		return cache.Life{Fresh: finishedTTL, Revalidate: l.config.RevalidateFor, Stale: finishedAfter, Negative: l.config.NegativeTTL}
	}
	const share = 12
	life := l.latest(class, max(l.config.CacheTTL, min(step/share, longestRecent)), now)
	life.Stale = max(life.Stale, 10*life.Fresh)
	return life
}
