package exchange

import "github.com/opitios-ai/alpaca-knative/emulator/wire"

// Restriction is what Alpaca's staff forbid an account. The zero value forbids nothing.
type Restriction struct {
	// TradingBlocked refuses every order.
	TradingBlocked bool `json:"trading_blocked"`
	// LiquidationOnly refuses orders that open positions.
	LiquidationOnly bool `json:"liquidation_only"`
}

// Restrict changes what the account may do.
func (a *Account) Restrict(to Restriction) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.restriction = to
}

// check refuses what the restriction forbids: all orders, or those that open a position.
func (r Restriction) check(opens bool) error {
	switch {
	case r.TradingBlocked:
		return wire.Forbidden("account is not authorized to trade")
	case r.LiquidationOnly && opens:
		return wire.Forbidden("account is restricted to liquidation only")
	default:
		return nil
	}
}
