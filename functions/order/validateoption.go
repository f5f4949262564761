package order

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

const (
	// maxOptionDigits: premiums are in cents at every price.
	maxOptionDigits = 2
	// lastOffset is how long after midnight UTC a day in New York ends at the latest, which is in winter.
	lastOffset = 5 * time.Hour
)

// validateOption checks an order for one option contract.
func validateOption(r order.OrderRequest, now time.Time) (alpaca.OrderRequest, error) {
	contract, err := parseContract("symbol", r.Symbol, now)
	if err != nil {
		return alpaca.OrderRequest{}, err
	}
	r.Symbol = contract.Symbol
	if r.TimeInForce == "" {
		r.TimeInForce = alpaca.TimeInForceDay
	}
	return checked(r, checkOption)
}

// checkOption applies the rules of orders for one contract.
func checkOption(r *order.OrderRequest) error {
	known := names{
		types:        []string{alpaca.TypeMarket, alpaca.TypeLimit, alpaca.TypeStop, alpaca.TypeStopLimit},
		timesInForce: []string{alpaca.TimeInForceDay, alpaca.TimeInForceGTC},
		classes:      []string{alpaca.ClassSimple, alpaca.ClassMultileg},
		intents:      intents(),
	}
	return firstOf(r, known.check, checkIntent, checkNoLegs, checkContracts, checkPrices(checkPremium), checkTrail, checkNoExits, checkRegularHours)
}

// parseContract reads an option symbol and refuses one whose last trading day is over in New York.
func parseContract(field, symbol string, now time.Time) (market.Option, error) {
	contract, err := market.ParseOption(symbol)
	if err != nil {
		return market.Option{}, invalid(field, "%s: %v", field, err)
	}
	if !now.Before(contract.Expiration.AddDate(0, 0, 1).Add(lastOffset)) {
		expiration := contract.Expiration.Format(time.DateOnly)
		return market.Option{}, problem.InvalidRequest.New("%s: the contract %s expired on %s", field, contract.Symbol, expiration).
			Field(field).With("expiration", expiration)
	}
	return contract, nil
}

// checkContracts: options trade in whole contracts, and by number only.
func checkContracts(r *order.OrderRequest) error {
	if r.Notional != nil {
		return invalid("notional", "notional does not belong to an option order: give qty, in contracts")
	}
	if r.Qty == nil {
		return invalid("qty", "qty is required, in contracts")
	}
	if !r.Qty.IsPos() {
		return invalid("qty", "qty must be greater than 0")
	}
	if decimal.Digits(r.Qty.Decimal) > 0 {
		return invalid("qty", "qty must be whole: options trade in contracts")
	}
	return nil
}

func checkPremium(name string, price *decimal.Number) error {
	if !price.IsPos() {
		return invalid(name, "%s must be greater than 0", name)
	}
	return checkPremiumDigits(name, price)
}

func checkPremiumDigits(name string, price *decimal.Number) error {
	if decimal.Digits(price.Decimal) > maxOptionDigits {
		return problem.InvalidRequest.New("%s %s: at most %d digits after the point for options", name, price, maxOptionDigits).
			Field(name).With("limit", maxOptionDigits)
	}
	return nil
}

// checkNoExits: only stock orders bring their exits along.
func checkNoExits(r *order.OrderRequest) error {
	if r.TakeProfit != nil {
		return invalid("take_profit", "take_profit is for stock orders only")
	}
	if r.StopLoss != nil {
		return invalid("stop_loss", "stop_loss is for stock orders only")
	}
	return nil
}

// checkRegularHours: only stocks have extended hours.
func checkRegularHours(r *order.OrderRequest) error {
	if r.ExtendedHours {
		return invalid("extended_hours", "extended_hours is for stock orders only")
	}
	return nil
}
