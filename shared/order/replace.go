package order

import "github.com/opitios-ai/alpaca-knative/shared/decimal"

// ReplaceRequest is how an open order is to change; what is not given stays as it is. Money is in USD (crypto: the
// pair's quote currency).
type ReplaceRequest struct {
	// Qty is the new quantity, whole, what is filled already included.
	Qty *decimal.Number `json:"qty,omitempty"`
	// TimeInForce is "day", "gtc", "opg", "cls", "ioc" or "fok".
	TimeInForce string `json:"time_in_force,omitempty"`
	// LimitPrice is the new worst price of a limit or stop-limit order.
	LimitPrice *decimal.Number `json:"limit_price,omitempty"`
	// StopPrice is the new trigger of a stop or stop-limit order.
	StopPrice *decimal.Number `json:"stop_price,omitempty"`
	// Trail is the new distance of a trailing stop, in the kind it has: USD or percent.
	Trail *decimal.Number `json:"trail,omitempty"`
	// ClientOrderID is the caller's own ID for the new order, unique in the account; derived when it is empty.
	ClientOrderID string `json:"client_order_id,omitempty"`
}

// Changes reports whether anything but the client order ID is to change.
func (r *ReplaceRequest) Changes() bool {
	return r.Qty != nil || r.TimeInForce != "" || r.LimitPrice != nil || r.StopPrice != nil || r.Trail != nil
}
