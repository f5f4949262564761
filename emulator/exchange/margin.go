package exchange

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// valuation is what an account is worth at a moment, USD.
type valuation struct {
	long, short  decimal.Decimal // market values; short is negative
	equity       decimal.Decimal
	stocks       decimal.Decimal // long and short stocks together
	paid         decimal.Decimal // what Alpaca lends nothing on: crypto, and options long less short
	optionMargin decimal.Decimal // what short options have to be secured with
	largest      decimal.Decimal // the largest position
}

func (a *Account) value(at time.Time) valuation {
	var v valuation
	options := false
	for _, held := range a.holdings {
		worth := held.asset.Worth(held.qty, a.exchange.market.Price(held.asset, at))
		if held.qty.IsNeg() {
			v.short = v.short.Add(worth)
		} else {
			v.long = v.long.Add(worth)
		}
		if held.asset.Class == asset.Equity {
			v.stocks = v.stocks.Add(worth.Abs())
		} else {
			v.paid = v.paid.Add(worth)
		}
		options = options || held.asset.Class == asset.Option
		if worth.Abs().GreaterThan(v.largest) {
			v.largest = worth.Abs()
		}
	}
	if options {
		v.optionMargin = a.optionMargin()
	}
	v.equity = a.cash.Add(v.long).Add(v.short)
	return v
}

// initialMargin is half of the stocks (Regulation T) and all of what nothing is lent on.
func initialMargin(v valuation) decimal.Decimal {
	return v.stocks.Mul(decimal.MustParse("0.5")).Add(v.paid).Add(v.optionMargin)
}

// maintenanceMargin is 30 % of the stocks, Alpaca's base rate, and all of what nothing is lent on.
func maintenanceMargin(v valuation) decimal.Decimal {
	return v.stocks.Mul(decimal.MustParse("0.3")).Add(v.paid).Add(v.optionMargin)
}

// minimumMarginEquity is the equity below which an account trades on cash alone (FINRA Rule 4210), USD.
const minimumMarginEquity = 2000

func (a *Account) multiplier(equity decimal.Decimal) int64 {
	if equity.LessThan(decimal.FromInt(minimumMarginEquity)) {
		return 1
	}
	switch a.configuration.MaxMarginMultiplier {
	case "1":
		return 1
	case "2":
		return 2
	default:
		return 4
	}
}

func (a *Account) shortingEnabled(equity decimal.Decimal) bool {
	return a.multiplier(equity) > 1 && !a.configuration.NoShorting
}

// buyingPower returns what the account may still open positions in stocks for, USD: the multiplier's share of the equity
// that nothing else takes, less what positions and open orders take. On a cash account it is the cash that no order holds.
func (a *Account) buyingPower(v valuation) decimal.Decimal {
	multiplier := a.multiplier(v.equity)
	if multiplier == 1 {
		return positive(a.cash.Sub(v.optionMargin).Sub(a.reserved).Sub(a.reservedCash))
	}
	free := v.equity.Sub(v.paid).Sub(v.optionMargin).Sub(a.reservedCash)
	return positive(free.Mul(decimal.FromInt(multiplier)).Sub(v.stocks).Sub(a.reserved))
}

// cashPower returns what the account may still pay for crypto and options, USD: cash that neither margin nor an order holds.
func (a *Account) cashPower(v valuation) decimal.Decimal {
	free := minimum(a.cash.Sub(v.optionMargin), v.equity.Sub(initialMargin(v)))
	return positive(free.Sub(a.reserved).Sub(a.reservedCash))
}
