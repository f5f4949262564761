package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// quantityDigits is how many digits after the point a quantity keeps; Alpaca cuts the rest off without a word.
const quantityDigits = 9

const maxClientOrderID = 128

// Amount is an optional decimal of a request: a JSON string or number; null, absent and "" are all nil.
type Amount struct{ Value *decimal.Decimal }

// UnmarshalJSON reads the amount; decimal.ErrSyntax when it is neither a number nor a string that holds one.
func (a *Amount) UnmarshalJSON(data []byte) error {
	text := bytes.Trim(bytes.TrimSpace(data), `"`)
	if len(text) == 0 || string(text) == "null" {
		a.Value = nil
		return nil
	}
	value, err := decimal.Parse(string(text))
	if err != nil {
		return fmt.Errorf("amount: %w", err)
	}
	a.Value = &value
	return nil
}

// OrderRequest is the body of POST /v2/orders. Fields that Alpaca does not know are ignored, as it does.
type OrderRequest struct {
	Symbol        string       `json:"symbol"`
	Qty           Amount       `json:"qty"`
	Notional      Amount       `json:"notional"`
	Side          Side         `json:"side"`
	Type          Type         `json:"type"`
	TimeInForce   TimeInForce  `json:"time_in_force"`
	LimitPrice    Amount       `json:"limit_price"`
	StopPrice     Amount       `json:"stop_price"`
	TrailPrice    Amount       `json:"trail_price"`
	TrailPercent  Amount       `json:"trail_percent"`
	ExtendedHours bool         `json:"extended_hours"`
	ClientOrderID string       `json:"client_order_id"`
	Class         Class        `json:"order_class"`
	Intent        Intent       `json:"position_intent"`
	TakeProfit    TakeProfit   `json:"take_profit"`
	StopLoss      StopLoss     `json:"stop_loss"`
	Legs          []LegRequest `json:"legs"`

	AdvancedInstructions json.RawMessage `json:"advanced_instructions"`
	Commission           Amount          `json:"commission"`
	SwapFee              Amount          `json:"swap_fee_bps"`
}

// DecodeOrder reads an order from a request body. A *wire.Error when it is not an object of the expected shape.
func DecodeOrder(body []byte) (OrderRequest, error) {
	var request OrderRequest
	if err := json.Unmarshal(body, &request); err != nil {
		return OrderRequest{}, wire.BadBody()
	}
	return request, nil
}

// checkShape applies the rules that need neither account nor asset, in the order in which Alpaca names them.
func (x *Exchange) checkShape(r *OrderRequest) error {
	if r.Class == MultiLeg {
		return x.checkComboShape(r)
	}
	if len(r.Legs) > 0 {
		return wire.Shape("legs are for mleg orders only")
	}
	for _, check := range []func(*OrderRequest) error{checkNames, checkSize, checkPrices, checkTrail, checkTimeInForce} {
		if err := check(r); err != nil {
			return err
		}
	}
	return nil
}

func checkNames(r *OrderRequest) error {
	if r.Symbol == "" {
		return wire.Shape("symbol is required")
	}
	if r.Side != Buy && r.Side != Sell {
		return wire.Shape("invalid side")
	}
	switch r.Type {
	case Market, Limit, Stop, StopLimit, TrailingStop:
	default:
		return wire.Shape("invalid order type")
	}
	switch r.TimeInForce {
	case Day, GoodTillCanceled, AtOpen, AtClose, ImmediateOrCancel, FillOrKill:
	default:
		return wire.Shape("invalid time_in_force")
	}
	switch r.Intent {
	case "", BuyToOpen, BuyToClose, SellToOpen, SellToClose:
	default:
		return wire.Shape("invalid position_intent")
	}
	if err := checkClientOrderID(r.ClientOrderID); err != nil {
		return err
	}
	return checkClass(r)
}

func checkClientOrderID(id string) error {
	if len(id) > maxClientOrderID {
		return wire.Shape("client_order_id must be no more than %d characters", maxClientOrderID)
	}
	return nil
}

func checkSize(r *OrderRequest) error {
	if r.Qty.Value == nil && r.Notional.Value == nil {
		return wire.Shape("qty or notional is required")
	}
	if r.Qty.Value != nil && r.Notional.Value != nil {
		return wire.Shape("only one of qty or notional is accepted")
	}
	if r.Notional.Value != nil {
		if r.Notional.Value.LessThan(decimal.FromInt(1)) {
			return wire.Shape("notional must be >= 1.00")
		}
		notional := r.Notional.Value.Trunc(quantityDigits)
		r.Notional.Value = &notional
		return nil
	}
	qty := r.Qty.Value.Trunc(quantityDigits)
	if !qty.IsPos() {
		return wire.Shape("qty must be > 0")
	}
	r.Qty.Value = &qty
	return nil
}

func checkPrices(r *OrderRequest) error {
	limit, stop := r.LimitPrice.Value, r.StopPrice.Value
	switch r.Type {
	case Market:
		if limit != nil || stop != nil {
			return wire.Shape("market orders require no stop or limit price")
		}
	case Limit:
		if limit == nil {
			return wire.Shape("limit orders require a limit price")
		}
	case Stop:
		if stop == nil {
			return wire.Shape("stop orders require a stop price")
		}
	case StopLimit:
		if limit == nil || stop == nil {
			return wire.Shape("stop limit orders require both stop and limit price")
		}
	case TrailingStop:
		if limit != nil || stop != nil {
			return wire.Shape("trailing stop orders require no stop or limit price")
		}
	}
	if limit != nil && !limit.IsPos() {
		return wire.Shape("limit price must be > 0")
	}
	if stop != nil && !stop.IsPos() {
		return wire.Shape("stop price must be > 0")
	}
	return nil
}

func checkTrail(r *OrderRequest) error {
	price, percent := r.TrailPrice.Value, r.TrailPercent.Value
	if r.Type != TrailingStop {
		if price != nil {
			return wire.Shape("%s orders must not have trail_price", r.Type)
		}
		if percent != nil {
			return wire.Shape("%s orders must not have trail_percent", r.Type)
		}
		return nil
	}
	if (price == nil) == (percent == nil) {
		return wire.Shape("trailing stop orders must specify one of trail_price or trail_percent")
	}
	if price != nil && !price.IsPos() {
		return wire.Shape("trail_price must be > 0")
	}
	if percent != nil && percent.LessThan(decimal.MustParse("0.1")) {
		return wire.Shape("trail_percent must be greater than or equal to 0.1")
	}
	return nil
}

func checkTimeInForce(r *OrderRequest) error {
	switch r.TimeInForce {
	case ImmediateOrCancel, FillOrKill, AtOpen, AtClose:
		if r.Type != Market && r.Type != Limit {
			return wire.Unprocessable("invalid time_in_force for %s order", r.Type)
		}
	default:
	}
	return nil
}
