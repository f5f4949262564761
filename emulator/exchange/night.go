package exchange

import (
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// eligible reports whether the order can execute at a time.
func (a *Account) eligible(e *entry, now time.Time) bool {
	switch {
	case e.Asset.Class == asset.Crypto:
		return true // crypto trades around the clock
	case e.TimeInForce == AtOpen:
		return false // until the auction
	}
	switch a.exchange.clock.Phase(now) {
	case session.Regular:
		return true
	case session.Closed:
		return a.tradesAtNight(e, now)
	default:
		return e.ExtendedHours
	}
}

// tradesAtNight reports whether the order can execute in the overnight session: limit orders for the day with extended hours, in
// stocks that are open for it, unless the account has it disabled (Alpaca's page on 24/5 trading).
func (a *Account) tradesAtNight(e *entry, now time.Time) bool {
	return e.ExtendedHours && e.Type == Limit && e.TimeInForce == Day && e.Asset.Class == asset.Equity &&
		slices.Contains(e.Asset.Attributes, "overnight_tradable") && !a.configuration.DisableOvernightTrading &&
		a.exchange.clock.Overnight(now)
}

// quote returns the best bid and offer that orders meet at a time: of the overnight session while it runs.
func (x *Exchange) quote(traded *asset.Asset, now time.Time) market.Quote {
	if traded.Class == asset.Equity && x.clock.Phase(now) == session.Closed && x.clock.Overnight(now) {
		return x.market.NightQuote(traded, now)
	}
	return x.market.Quote(traded, now)
}

// nightPower limits the buying power of orders that are sent at night, when nothing is lent for the day only.
func (a *Account) nightPower(power decimal.Decimal, candidate *entry, v valuation, now time.Time) decimal.Decimal {
	if !a.tradesAtNight(candidate, now) {
		return power
	}
	return minimum(power, a.regulationTPower(v))
}

// regulationTPower is what the account may open positions for that it keeps until the next day, USD.
func (a *Account) regulationTPower(v valuation) decimal.Decimal {
	if a.multiplier(v.equity) == 1 {
		return a.cashPower(v)
	}
	return positive(v.equity.Sub(initialMargin(v)).Sub(a.reservedCash).Mul64(2).Sub(a.reserved))
}
