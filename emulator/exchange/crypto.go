package exchange

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Limits of crypto orders, USD.
const (
	minCryptoCost = 10
	maxCryptoCost = 200_000
)

// checkClassOf applies the rules that depend on what kind of asset an order trades.
func (x *Exchange) checkClassOf(r *OrderRequest, a *asset.Asset, now time.Time) error {
	switch a.Class {
	case asset.Crypto:
		return x.checkCrypto(r, a)
	case asset.Option:
		return x.checkOption(r, a, now)
	case asset.Perpetual:
		return wire.Forbidden("asset %q is not tradable", a.Symbol)
	default:
		return nil
	}
}

func (x *Exchange) checkCrypto(r *OrderRequest, a *asset.Asset) error {
	if r.Class.complex() || r.Type == Stop || r.Type == TrailingStop {
		return wire.Unprocessable("invalid order type for crypto order")
	}
	wide := x.settings.Disputed.CryptoDayOrders && (r.TimeInForce == FillOrKill || r.TimeInForce == Day && r.Type == Limit)
	if r.TimeInForce != GoodTillCanceled && r.TimeInForce != ImmediateOrCancel && !wide {
		return wire.Shape("invalid crypto time_in_force")
	}
	if r.ExtendedHours {
		return wire.Unprocessable("extended hours is not supported for crypto orders")
	}
	if a.Pair.Quote != "USD" {
		return wire.Forbidden("asset %q is not tradable", a.Symbol) // accounts hold dollars only
	}
	for name, price := range map[string]*decimal.Decimal{"limit_price": r.LimitPrice.Value, "stop_price": r.StopPrice.Value} {
		if price != nil && !multipleOf(*price, a.Pair.PriceIncrement) {
			return wire.Unprocessable("invalid %s %s. must be a multiple of %s", name, price, a.Pair.PriceIncrement)
		}
	}
	if qty := r.Qty.Value; qty != nil {
		if qty.LessThan(a.Pair.MinOrderSize) {
			return wire.Forbidden("qty must be >= %s", a.Pair.MinOrderSize)
		}
		if !multipleOf(*qty, a.Pair.MinTradeIncrement) {
			return wire.Unprocessable("invalid qty %s. must be a multiple of %s", qty, a.Pair.MinTradeIncrement)
		}
	}
	return nil
}

func multipleOf(value, increment decimal.Decimal) bool {
	quotient, err := value.Div(increment)
	return err == nil && quotient.Trunc(0).Equal(quotient)
}

// checkCryptoCost keeps a crypto order within its limits; it is paid from cash, without margin.
func (a *Account) checkCryptoCost(candidate *entry, v valuation) error {
	cost := candidate.need()
	if cost.LessThan(decimal.FromInt(minCryptoCost)) {
		return wire.Forbidden("cost basis must be >= minimal amount of order %d", minCryptoCost).With("cost_basis", cost.String())
	}
	if cost.GreaterThan(decimal.FromInt(maxCryptoCost)) {
		return wire.Forbidden("order notional must be <= %d", maxCryptoCost)
	}
	power := a.cashPower(v)
	if candidate.replaces != nil {
		power = power.Add(candidate.replaces.reserved)
	}
	if cost.LessThanOrEqual(power) {
		return nil
	}
	return wire.Forbidden("insufficient balance for USD (requested: %s, available: %s)", cost, power.Trunc(2))
}

// fee is what the venue keeps of a crypto trade: 0.25 % of what the account gets, coins of a purchase, dollars of a sale.
func fee(traded *asset.Asset, side Side, qty, price decimal.Decimal) (coins, dollars decimal.Decimal) {
	if traded.Class != asset.Crypto {
		return coins, dollars
	}
	rate := decimal.MustParse("0.0025")
	if side == Buy {
		return qty.Mul(rate).RoundHAZ(quantityDigits), dollars
	}
	return coins, qty.Mul(price).Mul(rate)
}
