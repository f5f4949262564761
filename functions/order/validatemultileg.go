package order

import (
	"fmt"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// Alpaca's bounds of a multi-leg order.
const (
	minLegs = 2
	maxLegs = 4
	// maxRatio keeps the arithmetic of ratios small; Alpaca names no bound.
	maxRatio = 1_000_000
)

// validateMultileg checks an order for several option contracts at once.
func validateMultileg(r order.OrderRequest, now time.Time) (alpaca.OrderRequest, error) {
	if r.TimeInForce == "" {
		r.TimeInForce = alpaca.TimeInForceDay
	}
	legs, err := parseLegs(r.Legs, now)
	if err != nil {
		return alpaca.OrderRequest{}, err
	}
	r.Legs = nil
	for _, leg := range legs {
		r.Legs = append(r.Legs, leg.Leg)
	}
	if err := checkLegsTogether(legs); err != nil {
		return alpaca.OrderRequest{}, err
	}
	return checked(r, checkMultilegTerms)
}

// checkMultilegTerms applies the rules of the order as a whole.
func checkMultilegTerms(r *order.OrderRequest) error {
	for _, field := range []struct{ name, value string }{{"symbol", r.Symbol}, {"side", r.Side}, {"position_intent", r.PositionIntent}} {
		if field.value != "" {
			return invalid(field.name, "%s of a mleg order stands in its legs", field.name)
		}
	}
	known := names{
		types:        []string{alpaca.TypeMarket, alpaca.TypeLimit},
		timesInForce: []string{alpaca.TimeInForceDay, alpaca.TimeInForceGTC},
		classes:      []string{alpaca.ClassMultileg},
	}
	return firstOf(r, known.checkTerms, checkContracts, checkPrices(checkPremiumDigits), checkTrail, checkNoExits, checkRegularHours)
}

// leg is a leg of a multi-leg order with its contract taken apart.
type leg struct {
	order.Leg
	contract market.Option
	ratio    int64
}

func parseLegs(given []order.Leg, now time.Time) ([]leg, error) {
	if len(given) < minLegs || len(given) > maxLegs {
		return nil, problem.InvalidRequest.New("legs: a mleg order has %d to %d legs", minLegs, maxLegs).Field("legs").With("limit", maxLegs)
	}
	legs := make([]leg, 0, len(given))
	for i := range given {
		parsed, err := parseLeg(fmt.Sprintf("legs[%d].", i), given[i], now)
		if err != nil {
			return nil, err
		}
		legs = append(legs, parsed)
	}
	return legs, nil
}

func parseLeg(path string, given order.Leg, now time.Time) (leg, error) {
	contract, err := parseContract(path+"symbol", given.Symbol, now)
	if err != nil {
		return leg{}, err
	}
	given.Symbol = contract.Symbol
	if err := oneOf(path+"position_intent", given.PositionIntent, intents()); err != nil {
		return leg{}, err
	}
	side, _, _ := strings.Cut(given.PositionIntent, "_")
	if given.Side == "" {
		given.Side = side
	}
	if given.Side != side {
		return leg{}, invalid(path+"side", "%sside %.8q contradicts the position_intent %s", path, given.Side, given.PositionIntent)
	}
	field := path + "ratio_qty"
	if given.RatioQty == nil || !given.RatioQty.IsPos() || decimal.Digits(given.RatioQty.Decimal) > 0 ||
		given.RatioQty.GreaterThan(decimal.FromInt(maxRatio)) {
		return leg{}, problem.InvalidRequest.New("%s must be a whole number from 1 to %d", field, maxRatio).Field(field).With("limit", maxRatio)
	}
	ratio, err := given.RatioQty.Int64()
	if err != nil {
		return leg{}, invalid(field, "%s must be a whole number", field)
	}
	return leg{given, contract, ratio}, nil
}

// checkLegsTogether applies the rules between the legs.
func checkLegsTogether(legs []leg) error {
	divisor := int64(0)
	seen := make(map[string]bool, len(legs))
	for i, l := range legs {
		field := fmt.Sprintf("legs[%d].symbol", i)
		if seen[l.Symbol] {
			return invalid(field, "%s: %s stands twice", field, l.Symbol)
		}
		seen[l.Symbol] = true
		if !sameUnderlying(legs[0].contract.Root, l.contract.Root) {
			return invalid(field, "%s: the legs have different underlyings, %s and %s", field, legs[0].contract.Root, l.contract.Root)
		}
		divisor = greatestCommonDivisor(divisor, l.ratio)
	}
	if divisor > 1 {
		return problem.InvalidRequest.New("legs[0].ratio_qty: the ratios of the legs must have no common divisor but 1; they can be divided by %d", divisor).
			Field("legs[0].ratio_qty").With("divisor", divisor)
	}
	return checkCovered(legs)
}

// checkCovered: what a leg sells to open, others of the order must buy, calls for calls and puts for puts.
func checkCovered(legs []leg) error {
	for _, calls := range []bool{true, false} {
		uncovered, field := int64(0), ""
		for i, l := range legs {
			switch {
			case l.contract.Call != calls:
			case l.PositionIntent == alpaca.IntentSellToOpen:
				uncovered += l.ratio
				field = fmt.Sprintf("legs[%d].position_intent", i)
			case l.Side == alpaca.SideBuy:
				uncovered -= l.ratio
			}
		}
		if uncovered > 0 && field != "" {
			return invalid(field, "%s: what is sold to open must be covered by what other legs buy", field)
		}
	}
	return nil
}

// sameUnderlying compares option roots. One underlying can have two roots, the longer by a letter or digit: SPX and
// SPXW, or AAPL and AAPL1 for an adjusted contract.
func sameUnderlying(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a == b || len(b) == len(a)+1 && strings.HasPrefix(b, a)
}

func greatestCommonDivisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
