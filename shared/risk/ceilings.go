package risk

import (
	"errors"
	"fmt"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// The ceilings over all accounts by name, as refusals, metrics and the file call them, behind "all_accounts.".
const (
	AllOpenOrders   = "all_accounts.max_open_orders"
	AllOpenValue    = "all_accounts.max_open_value"
	AllDailyValue   = "all_accounts.max_daily_value"
	AllWindowOrders = "all_accounts.max_window_orders"
	AllWindowValue  = "all_accounts.max_window_value"
)

const (
	// maxWindow bounds the window, of which every order is remembered.
	maxWindow = time.Minute
	// maxCeiling is the largest ceiling in USD: sums of that many cents are exact in a script's numbers.
	maxCeiling = 10_000_000_000_000
)

// Ceilings bound what the orders of all accounts add up to. A nil one is off.
type Ceilings struct {
	// MaxOpenOrders is how many orders may be open at once, MaxOpenValue what they may be worth together, in USD.
	MaxOpenOrders *int            `json:"max_open_orders"`
	MaxOpenValue  *decimal.Number `json:"max_open_value"`
	// MaxDailyValue is what the orders sent since midnight in New York may be worth together, in USD.
	MaxDailyValue *decimal.Number `json:"max_daily_value"`
	// Window is a span of at most a minute, in which no more than MaxWindowOrders orders, worth no more than
	// MaxWindowValue USD together, are sent.
	Window          Duration        `json:"window"`
	MaxWindowOrders *int            `json:"max_window_orders"`
	MaxWindowValue  *decimal.Number `json:"max_window_value"`
}

// Any reports whether there is a ceiling.
func (c *Ceilings) Any() bool {
	return c.MaxOpenOrders != nil || c.MaxOpenValue != nil || c.MaxDailyValue != nil || c.windowed()
}

func (c *Ceilings) windowed() bool { return c.MaxWindowOrders != nil || c.MaxWindowValue != nil }

// NeedsValue reports whether an order's value counts.
func (c *Ceilings) NeedsValue() bool {
	return c.MaxOpenValue != nil || c.MaxDailyValue != nil || c.MaxWindowValue != nil
}

// NeedsPrice reports whether the last quote says what the order may be worth: its own limit does for a buy only.
func (c *Ceilings) NeedsPrice(o *Order) bool {
	return c.NeedsValue() && (o.value(nil) == nil || !o.Buy)
}

// Validate checks what the types can't; its error names the field.
func (c *Ceilings) Validate() error {
	for _, bound := range []struct {
		name  string
		value *decimal.Number
	}{{"max_open_value", c.MaxOpenValue}, {"max_daily_value", c.MaxDailyValue}, {"max_window_value", c.MaxWindowValue}} {
		if bound.value != nil && (bound.value.IsNeg() || bound.value.GreaterThan(decimal.FromInt(maxCeiling))) {
			return fmt.Errorf("%s: must be from 0 to %d", bound.name, maxCeiling)
		}
	}
	for _, bound := range []struct {
		name  string
		value *int
	}{{"max_open_orders", c.MaxOpenOrders}, {"max_window_orders", c.MaxWindowOrders}} {
		if bound.value != nil && *bound.value < 0 {
			return fmt.Errorf("%s: must not be negative", bound.name)
		}
	}
	if c.Window.Duration < 0 || c.Window.Duration > maxWindow {
		return fmt.Errorf("window: must be from 0s to %s", maxWindow)
	}
	if c.windowed() != (c.Window.Duration > 0) {
		return errors.New("window: goes with max_window_orders or max_window_value, and they with it")
	}
	return nil
}
