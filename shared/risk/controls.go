// Package risk holds the pre-trade controls of SEC rule 15c3-5: pure decisions about an order, made from what is known
// of the account, its positions, its open orders and the price. Reading and keeping those is others' work.
package risk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// Controls are the limits of an account's orders. A nil or empty one is off.
type Controls struct {
	// MaxOrderValue is the most that one order may be worth, in USD; MaxOrderQty the most shares, contracts or coins.
	MaxOrderValue *decimal.Number `json:"max_order_value"`
	MaxOrderQty   *decimal.Number `json:"max_order_qty"`
	// PriceCollarPercent is how far a buy's limit price may lie above, a sell's below, the last quote.
	PriceCollarPercent *decimal.Number `json:"price_collar_percent"`
	// MaxPositionValue (USD) and MaxPositionQty bound the position in one symbol that all open orders could lead to.
	MaxPositionValue *decimal.Number `json:"max_position_value"`
	MaxPositionQty   *decimal.Number `json:"max_position_qty"`
	// MaxConcentrationPercent bounds that position's share of the account's equity.
	MaxConcentrationPercent *decimal.Number `json:"max_concentration_percent"`
	// MaxOpenOrders is how many orders may be open at once.
	MaxOpenOrders *int `json:"max_open_orders"`
	// MaxDailyLoss is how far, in USD, the equity may have fallen since the previous close before only orders that reduce
	// a position are taken.
	MaxDailyLoss *decimal.Number `json:"max_daily_loss"`
	// MinCash is what a buy must leave in cash, in USD, all open buys counted.
	MinCash *decimal.Number `json:"min_cash"`
	// RestrictedSymbols may not be traded; a symbol restricts the options on it too.
	RestrictedSymbols []string `json:"restricted_symbols"`
	// RepeatWindow is how long the same order counts as a repeat; MaxRepeats how many there may be in it, 0 is none.
	RepeatWindow Duration `json:"repeat_window"`
	MaxRepeats   int      `json:"max_repeats"`
	// Sessions are those in which stock and option orders are taken: pre, regular, after, closed. Empty is all.
	Sessions []string `json:"sessions"`
}

// Duration is a time.Duration that is written as "5s" in JSON.
type Duration struct{ time.Duration }

// UnmarshalText reads "5s".
func (d *Duration) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// MarshalText writes "5s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Defaults are the controls of an account of which no file says anything; minCash is in USD, 0 is none.
func Defaults(minCash int) Controls {
	if minCash == 0 {
		return Controls{}
	}
	return Controls{MinCash: &decimal.Number{Decimal: decimal.FromInt(int64(minCash))}}
}

// Validate checks what the types can't; its error names the field.
func (c *Controls) Validate() error {
	for _, bound := range []struct {
		name  string
		value *decimal.Number
	}{
		{"max_order_value", c.MaxOrderValue}, {"max_order_qty", c.MaxOrderQty}, {"price_collar_percent", c.PriceCollarPercent},
		{"max_position_value", c.MaxPositionValue}, {"max_position_qty", c.MaxPositionQty},
		{"max_concentration_percent", c.MaxConcentrationPercent}, {"max_daily_loss", c.MaxDailyLoss}, {"min_cash", c.MinCash},
	} {
		if bound.value != nil && bound.value.IsNeg() {
			return fmt.Errorf("%s: must not be negative", bound.name)
		}
	}
	if c.MaxOpenOrders != nil && *c.MaxOpenOrders < 0 {
		return errors.New("max_open_orders: must not be negative")
	}
	if c.RepeatWindow.Duration < 0 || c.RepeatWindow.Duration > time.Hour {
		return errors.New("repeat_window: must be from 0s to 1h")
	}
	if c.MaxRepeats < 0 || c.MaxRepeats > 0 && c.RepeatWindow.Duration == 0 {
		return errors.New("max_repeats: must not be negative, and needs a repeat_window")
	}
	for _, name := range c.Sessions {
		if !slices.Contains(sessionNames(), name) {
			return fmt.Errorf("sessions: %q is not one of %s", name, strings.Join(sessionNames(), ", "))
		}
	}
	for i, symbol := range c.RestrictedSymbols {
		if symbol == "" || symbol != strings.ToUpper(strings.TrimSpace(symbol)) {
			return fmt.Errorf("restricted_symbols[%d]: must be a symbol in upper case", i)
		}
	}
	return nil
}

func sessionNames() []string {
	return []string{sessionOf(market.PhasePre), sessionOf(market.PhaseRegular), sessionOf(market.PhaseAfter), sessionOf(market.PhaseClosed)}
}

// sessionOf is the name of a phase in the file.
func sessionOf(phase market.Phase) string {
	switch phase {
	case market.PhasePre:
		return "pre"
	case market.PhaseRegular:
		return "regular"
	case market.PhaseAfter:
		return "after"
	default:
		return "closed"
	}
}
