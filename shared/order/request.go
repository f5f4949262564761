// Package order holds the native API's form of an order, which an HTTP body and an
// ai.opitios.order.requested CloudEvent share, so that both ways in mean the same.
package order

import "github.com/opitios-ai/alpaca-knative/shared/decimal"

// OrderRequest is an order as a caller of the native API asks for it. It carries types only: which combinations of
// side, type, time in force, class and session are allowed is the order function's to decide. A nil number and
// an empty string mean "not given". Money is in USD (crypto: the pair's quote currency), quantities are in
// shares, contracts or coins.
type OrderRequest struct {
	// Symbol is the stock ticker, OCC option symbol or crypto pair; empty only for a multi-leg order.
	Symbol string `json:"symbol,omitempty"`
	// Qty is how much to trade; exactly one of Qty and Notional is given.
	Qty *decimal.Number `json:"qty,omitempty"`
	// Notional is how much money to trade for.
	Notional *decimal.Number `json:"notional,omitempty"`
	// Side is "buy" or "sell".
	Side string `json:"side,omitempty"`
	// Type is "market", "limit", "stop", "stop_limit" or "trailing_stop".
	Type string `json:"type,omitempty"`
	// TimeInForce is "day", "gtc", "opg", "cls", "ioc" or "fok".
	TimeInForce string `json:"time_in_force,omitempty"`
	// LimitPrice is the worst price accepted by limit and stop-limit orders.
	LimitPrice *decimal.Number `json:"limit_price,omitempty"`
	// StopPrice triggers stop and stop-limit orders.
	StopPrice *decimal.Number `json:"stop_price,omitempty"`
	// TrailPrice is a trailing stop's distance from the high-water mark in USD; this or TrailPercent.
	TrailPrice *decimal.Number `json:"trail_price,omitempty"`
	// TrailPercent is a trailing stop's distance in percent: 1 means 1 %.
	TrailPercent *decimal.Number `json:"trail_percent,omitempty"`
	// ExtendedHours lets a limit order trade before and after the regular session.
	ExtendedHours bool `json:"extended_hours,omitempty"`
	// ClientOrderID is the caller's own ID, unique in the account; derived when it is empty.
	ClientOrderID string `json:"client_order_id,omitempty"`
	// OrderClass is "", "simple", "bracket", "oco", "oto" or "mleg".
	OrderClass string `json:"order_class,omitempty"`
	// TakeProfit is the profit-taking leg of a bracket, OCO or OTO order.
	TakeProfit *TakeProfit `json:"take_profit,omitempty"`
	// StopLoss is the protective leg of a bracket, OCO or OTO order.
	StopLoss *StopLoss `json:"stop_loss,omitempty"`
	// PositionIntent is "buy_to_open", "buy_to_close", "sell_to_open" or "sell_to_close".
	PositionIntent string `json:"position_intent,omitempty"`
	// Legs are the two to four contracts of a multi-leg option order; Symbol and Side stay empty then.
	Legs []Leg `json:"legs,omitempty"`
}

// Leg is one contract of a multi-leg option order.
type Leg struct {
	// Symbol is the OCC option symbol.
	Symbol string `json:"symbol,omitempty"`
	// RatioQty is how many contracts one unit of the order has of it; whole.
	RatioQty *decimal.Number `json:"ratio_qty,omitempty"`
	// Side is "buy" or "sell"; it follows from PositionIntent when it is empty.
	Side string `json:"side,omitempty"`
	// PositionIntent is "buy_to_open", "buy_to_close", "sell_to_open" or "sell_to_close".
	PositionIntent string `json:"position_intent,omitempty"`
}

// TakeProfit is the leg that closes a position at a profit.
type TakeProfit struct {
	// LimitPrice is the price of the leg's limit order, in USD.
	LimitPrice *decimal.Number `json:"limit_price,omitempty"`
}

// StopLoss is the leg that closes a position at a loss.
type StopLoss struct {
	// StopPrice triggers the leg, in USD.
	StopPrice *decimal.Number `json:"stop_price,omitempty"`
	// LimitPrice makes the leg a stop-limit order; without it, it is a stop order.
	LimitPrice *decimal.Number `json:"limit_price,omitempty"`
}
