package exchange

import (
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// SavedEvent is a trade update, or an account activity that is no trade.
type SavedEvent struct {
	ID          ulid.ULID        `json:"id"`
	At          time.Time        `json:"at"`
	Name        string           `json:"name"`
	OrderID     string           `json:"order_id,omitempty"`
	State       State            `json:"state"`
	FilledCost  decimal.Decimal  `json:"filled_cost"`
	ExecutionID string           `json:"execution_id,omitempty"`
	Price       *decimal.Decimal `json:"price,omitempty"`
	Qty         *decimal.Decimal `json:"qty,omitempty"`
	PositionQty *decimal.Decimal `json:"position_qty,omitempty"`
	SettleDate  string           `json:"settle_date,omitempty"`
	Legs        []SavedLeg       `json:"legs,omitempty"`
	Adjustment  *SavedAdjustment `json:"adjustment,omitempty"`
}

// SavedLeg is the state of a leg of a multi-leg order at an event, and its part of the event's fill.
type SavedLeg struct {
	OrderID     string           `json:"order_id"`
	State       State            `json:"state"`
	FilledCost  decimal.Decimal  `json:"filled_cost"`
	ExecutionID string           `json:"execution_id,omitempty"`
	Price       *decimal.Decimal `json:"price,omitempty"`
	Qty         *decimal.Decimal `json:"qty,omitempty"`
	PositionQty *decimal.Decimal `json:"position_qty,omitempty"`
}

// SavedAdjustment is an Adjustment whose asset is named by symbol.
type SavedAdjustment struct {
	Adjustment
	Symbol string       `json:"symbol"`
	Asset  *asset.Asset `json:"-"` // hides the field of Adjustment
}

func (e *Event) save() SavedEvent {
	saved := SavedEvent{
		ID: e.ID, At: e.At, Name: e.Name, State: e.Order.State, FilledCost: e.Order.filledCost, ExecutionID: e.ExecutionID,
		Price: e.Price, Qty: e.Qty, PositionQty: e.PositionQty, SettleDate: e.SettleDate,
	}
	if e.Adjustment != nil {
		saved.Adjustment = &SavedAdjustment{Adjustment: *e.Adjustment, Symbol: e.Adjustment.Asset.Symbol}
		return saved
	}
	saved.OrderID = e.Order.ID
	for i, leg := range e.Order.Legs {
		part := SavedLeg{OrderID: leg.ID, State: leg.State, FilledCost: leg.filledCost}
		if len(e.Legs) > 0 {
			fill := e.Legs[i]
			part.ExecutionID, part.Price, part.Qty, part.PositionQty = fill.ExecutionID, &fill.Price, &fill.Qty, &fill.PositionQty
		}
		saved.Legs = append(saved.Legs, part)
	}
	return saved
}

// rebuildEvent makes an event's record of its saved parts. ErrState when they do not fit the account's orders.
func (a *Account) rebuildEvent(saved *SavedEvent, x *Exchange) (record, error) {
	event, err := a.eventOf(saved, x)
	if err != nil {
		return record{}, err
	}
	kept, err := recordOf(event)
	if err != nil {
		return record{}, fmt.Errorf("%w: event %s: execution ID: %w", ErrState, saved.ID, err)
	}
	return kept, nil
}

func (a *Account) eventOf(saved *SavedEvent, x *Exchange) (*Event, error) {
	event := &Event{
		ID: saved.ID, At: saved.At, Name: saved.Name, ExecutionID: saved.ExecutionID, Price: saved.Price, Qty: saved.Qty,
		PositionQty: saved.PositionQty,
	}
	if saved.Adjustment != nil {
		listed, ok := x.catalogue.Find(saved.Adjustment.Symbol)
		if !ok {
			return nil, fmt.Errorf("%w: unknown symbol %q", ErrState, saved.Adjustment.Symbol)
		}
		if _, err := time.Parse(time.DateOnly, saved.Adjustment.Date); err != nil {
			return nil, fmt.Errorf("%w: date %q of event %s", ErrState, saved.Adjustment.Date, saved.ID)
		}
		adjustment := saved.Adjustment.Adjustment
		adjustment.Asset, event.Adjustment = listed, &adjustment
		return event, nil
	}
	e, ok := a.orders[saved.OrderID]
	if !ok || (saved.Price == nil) != (saved.Qty == nil) {
		return nil, fmt.Errorf("%w: event %s is about no order", ErrState, saved.ID)
	}
	event.Order = Order{Terms: e.Terms, State: saved.State}
	event.Order.filledCost = saved.FilledCost
	for _, part := range saved.Legs {
		leg, ok := a.orders[part.OrderID]
		if !ok {
			return nil, fmt.Errorf("%w: event %s is about no order", ErrState, saved.ID)
		}
		order := Order{Terms: leg.Terms, State: part.State}
		order.filledCost = part.FilledCost
		event.Order.Legs = append(event.Order.Legs, order)
		if part.Price == nil || part.Qty == nil || part.PositionQty == nil {
			continue
		}
		event.Legs = append(event.Legs, LegFill{
			ExecutionID: part.ExecutionID, OrderID: leg.ID, Asset: leg.Asset, Side: leg.Side, Qty: *part.Qty, Price: *part.Price,
			PositionQty: *part.PositionQty,
		})
	}
	if len(event.Legs) > 0 && len(event.Legs) != len(event.Order.Legs) {
		return nil, fmt.Errorf("%w: event %s fills some of its legs only", ErrState, saved.ID)
	}
	return event, nil
}
