package exchange

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// auctioned reports whether the order takes part in an auction only.
func (t TimeInForce) auctioned() bool { return t == AtOpen || t == AtClose }

// checkAuction refuses orders for an auction too late: from two minutes before the open and ten before the close, until
// 19:00, when those for the next day begin (Alpaca's orders page). A market that never closes takes them at any time.
func (x *Exchange) checkAuction(timeInForce TimeInForce, now time.Time) error {
	day, ok := x.clock.Calendar.DayOf(now)
	if !timeInForce.auctioned() || !ok || x.clock.Phase(day.SessionOpen.Add(-time.Hour)) == session.Regular {
		return nil
	}
	from, text := day.Open.Add(-2*time.Minute), "opg orders must be submitted after 7:00pm and before 9:28am"
	if timeInForce == AtClose {
		from, text = day.Close.Add(-10*time.Minute), "cls orders must be submitted after 7:00pm and before 3:55pm"
	}
	evening := time.Date(day.Open.Year(), day.Open.Month(), day.Open.Day(), 19, 0, 0, 0, day.Open.Location())
	if now.Before(from) || !now.Before(evening) {
		return nil
	}
	return wire.Forbidden("%s", text)
}

// auction executes the order at the auction's price, the last trade of its moment, or cancels it. Auction orders fill
// completely or not at all.
func (a *Account) auction(e *entry, now time.Time) {
	a.acknowledge(e, now)
	price := a.exchange.market.Price(e.Asset, e.ExpiresAt)
	if !e.within(price) {
		a.end(e, StatusCanceled, now)
		return
	}
	a.execute(e, e.remaining(), price, now)
}

// within reports whether a price is no worse than the order's limit.
func (e *entry) within(price decimal.Decimal) bool {
	if e.LimitPrice == nil {
		return true
	}
	if e.Side == Buy {
		return e.LimitPrice.GreaterThanOrEqual(price)
	}
	return e.LimitPrice.LessThanOrEqual(price)
}
