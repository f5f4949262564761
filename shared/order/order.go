package order

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Order is an order in the native API's form. Money is in USD (crypto: the pair's quote currency), quantities are in
// shares, contracts or coins; numbers that don't apply are null.
type Order struct {
	OrderID       string          `json:"order_id"`
	ClientOrderID string          `json:"client_order_id"`
	Symbol        string          `json:"symbol"`
	AssetClass    string          `json:"asset_class"`
	Qty           *decimal.Number `json:"qty"`
	Notional      *decimal.Number `json:"notional"`
	FilledQty     decimal.Number  `json:"filled_qty"`
	Side          string          `json:"side"`
	OrderType     string          `json:"order_type"`
	OrderClass    string          `json:"order_class"`
	// PositionIntent is "buy_to_open", "buy_to_close", "sell_to_open" or "sell_to_close"; empty for a multi-leg order.
	PositionIntent string          `json:"position_intent"`
	TimeInForce    string          `json:"time_in_force"`
	LimitPrice     *decimal.Number `json:"limit_price"`
	StopPrice      *decimal.Number `json:"stop_price"`
	TrailPrice     *decimal.Number `json:"trail_price"`
	TrailPercent   *decimal.Number `json:"trail_percent"`
	ExtendedHours  bool            `json:"extended_hours"`
	// Status is Alpaca's order status, for example "new" or "filled".
	Status       string          `json:"status"`
	AvgFillPrice *decimal.Number `json:"avg_fill_price"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
	SubmittedAt  time.Time       `json:"submitted_at"`
	FilledAt     *time.Time      `json:"filled_at"`
	CanceledAt   *time.Time      `json:"canceled_at"`
	ExpiredAt    *time.Time      `json:"expired_at"`
	// Replaces and ReplacedBy are the neighbours in a chain of replaced orders.
	Replaces   *string `json:"replaces"`
	ReplacedBy *string `json:"replaced_by"`
	Legs       []Order `json:"legs,omitempty"`
	// RatioQty is set for the legs of a multi-leg order only.
	RatioQty *decimal.Number `json:"ratio_qty,omitempty"`
}

// FromAlpaca returns the native form of an order.
func FromAlpaca(o *alpaca.Order) Order {
	native := Order{
		OrderID: o.ID, ClientOrderID: o.ClientOrderID, Symbol: o.Symbol, AssetClass: o.AssetClass,
		Qty: decimal.NumberOf(o.Qty), Notional: decimal.NumberOf(o.Notional), FilledQty: decimal.Number{Decimal: o.FilledQty},
		Side: o.Side, OrderType: o.Type, OrderClass: o.OrderClass, PositionIntent: o.PositionIntent, TimeInForce: o.TimeInForce,
		LimitPrice: decimal.NumberOf(o.LimitPrice), StopPrice: decimal.NumberOf(o.StopPrice),
		TrailPrice: decimal.NumberOf(o.TrailPrice), TrailPercent: decimal.NumberOf(o.TrailPercent),
		ExtendedHours: o.ExtendedHours, Status: o.Status, AvgFillPrice: decimal.NumberOf(o.FilledAvgPrice),
		CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt, SubmittedAt: o.SubmittedAt,
		FilledAt: o.FilledAt, CanceledAt: o.CanceledAt, ExpiredAt: o.ExpiredAt, Replaces: o.Replaces, ReplacedBy: o.ReplacedBy,
		RatioQty: decimal.NumberOf(o.RatioQty),
	}
	for i := range o.Legs {
		native.Legs = append(native.Legs, FromAlpaca(&o.Legs[i]))
	}
	return native
}
