package order

import (
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// What Alpaca takes of a crypto order, in USD.
const (
	minCryptoNotional = 10
	maxCryptoNotional = 200_000
)

// validateCrypto checks an order for a crypto pair. The pair's own increments are Alpaca's to check: they change.
func validateCrypto(r order.OrderRequest) (alpaca.OrderRequest, error) {
	pair, err := market.ParsePair(r.Symbol)
	if err != nil {
		return alpaca.OrderRequest{}, invalid("symbol", "symbol: %v", err)
	}
	r.Symbol = pair.String()
	if r.TimeInForce == "" {
		r.TimeInForce = alpaca.TimeInForceGTC
	}
	return checked(r, checkCrypto)
}

// checkCrypto applies the rules of crypto orders: nothing is sold short, and there are no sessions.
func checkCrypto(r *order.OrderRequest) error {
	known := names{
		types:        []string{alpaca.TypeMarket, alpaca.TypeLimit, alpaca.TypeStopLimit},
		timesInForce: []string{alpaca.TimeInForceGTC, alpaca.TimeInForceIOC},
		classes:      []string{alpaca.ClassSimple},
		intents:      []string{alpaca.IntentBuyToOpen, alpaca.IntentSellToClose},
	}
	return firstOf(r, known.check, checkIntent, checkNoLegs, checkAmount, checkPrices(checkPositive), checkTrail, checkNoExits,
		checkRegularHours, checkCryptoValue)
}

func checkPositive(name string, price *decimal.Number) error {
	if !price.IsPos() {
		return invalid(name, "%s must be greater than 0", name)
	}
	return nil
}

// checkCryptoValue bounds what an order is worth where that is known: pairs in dollars, by notional or at a limit.
func checkCryptoValue(r *order.OrderRequest) error {
	pair, err := market.ParsePair(r.Symbol)
	if err != nil || pair.Quote == "BTC" {
		return nil //nolint:nilerr // the symbol was checked before
	}
	field, value := "notional", r.Notional
	if value == nil && r.LimitPrice != nil {
		field, value = "qty", &decimal.Number{Decimal: r.Qty.Mul(r.LimitPrice.Decimal)}
	}
	switch {
	case value == nil:
		return nil
	case field == "notional" && value.LessThan(decimal.FromInt(minCryptoNotional)):
		return problem.InvalidRequest.New("notional must be at least %d USD for crypto", minCryptoNotional).Field(field).With("limit", minCryptoNotional)
	case value.GreaterThan(decimal.FromInt(maxCryptoNotional)):
		return problem.InvalidRequest.New("%s: a crypto order is at most %d USD, this one is %s", field, maxCryptoNotional, value).
			Field(field).With("limit", maxCryptoNotional)
	}
	return nil
}
