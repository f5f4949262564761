package exchange

import (
	"encoding/json"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// ReplaceRequest is the body of PATCH /v2/orders/{id}; what is absent stays as it is.
type ReplaceRequest struct {
	Qty           Amount      `json:"qty"`
	Notional      Amount      `json:"notional"`
	TimeInForce   TimeInForce `json:"time_in_force"`
	LimitPrice    Amount      `json:"limit_price"`
	StopPrice     Amount      `json:"stop_price"`
	Trail         Amount      `json:"trail"`
	ClientOrderID string      `json:"client_order_id"`

	AdvancedInstructions json.RawMessage `json:"advanced_instructions"`
}

// DecodeReplace reads a replacement from a request body. A *wire.Error when it is not an object of the right shape.
func DecodeReplace(body []byte) (ReplaceRequest, error) {
	var request ReplaceRequest
	if err := json.Unmarshal(body, &request); err != nil {
		return ReplaceRequest{}, wire.BadBody()
	}
	return request, nil
}

// Replace asks for an order to be replaced and returns the new order, which lives once the venue agrees; until then the
// old one may still fill, and then the new one is rejected. A *wire.Error when a rule refuses it.
func (a *Account) Replace(id string, change ReplaceRequest) (Order, error) {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	old, err := a.find(id)
	if err != nil {
		return Order{}, err
	}
	request, err := a.merge(old, change)
	if err != nil {
		return Order{}, err
	}
	if err := a.exchange.checkShape(&request); err != nil {
		return Order{}, err
	}
	candidate, err := a.draftReplacement(&request, old, now)
	if err != nil {
		return Order{}, err
	}
	return a.startReplacement(old, candidate, now), nil
}

func (a *Account) draftReplacement(request *OrderRequest, old *entry, now time.Time) (*entry, error) {
	if old.combo != nil {
		listed, err := a.exchange.findLegs(request, now)
		if err != nil {
			return nil, err
		}
		candidate := a.draftCombo(request, listed, now)
		candidate.inherit(old)
		return candidate, a.admitCombo(candidate, now)
	}
	if err := a.exchange.checkAsset(request, old.Asset, now); err != nil {
		return nil, err
	}
	if err := a.checkPrivileges(request); err != nil {
		return nil, err
	}
	candidate := a.draft(*request, old.Asset, now)
	candidate.inherit(old)
	return candidate, a.admit(candidate, now)
}

// merge returns the order that the change describes.
func (a *Account) merge(old *entry, change ReplaceRequest) (OrderRequest, error) {
	if err := old.replaceable(change); err != nil {
		return OrderRequest{}, err
	}
	if err := a.claimable(change.ClientOrderID); err != nil {
		return OrderRequest{}, err
	}
	request := OrderRequest{
		Symbol: old.Asset.Symbol, Side: old.Side, Type: old.Type, TimeInForce: old.TimeInForce,
		Qty: Amount{old.Qty}, LimitPrice: Amount{old.LimitPrice}, TrailPrice: Amount{old.TrailPrice},
		TrailPercent: Amount{old.TrailPercent}, ExtendedHours: old.ExtendedHours, ClientOrderID: change.ClientOrderID,
		AdvancedInstructions: change.AdvancedInstructions, Commission: Amount{old.commission},
	}
	if old.combo != nil {
		request.Symbol, request.Class = "", MultiLeg
		for _, leg := range old.combo.legs {
			request.Legs = append(request.Legs, LegRequest{leg.Asset.Symbol, Amount{leg.RatioQty}, leg.Side, leg.Intent})
		}
	}
	if old.Type != TrailingStop {
		request.StopPrice = Amount{old.StopPrice}
	}
	changed := overwrite(&request.Qty, change.Qty)
	changed = overwrite(&request.LimitPrice, change.LimitPrice) || changed
	changed = overwrite(&request.StopPrice, change.StopPrice) || changed
	if old.TrailPercent != nil {
		changed = overwrite(&request.TrailPercent, change.Trail) || changed
	} else {
		changed = overwrite(&request.TrailPrice, change.Trail) || changed
	}
	if change.TimeInForce != "" && change.TimeInForce != old.TimeInForce {
		request.TimeInForce, changed = change.TimeInForce, true
	}
	if !changed && change.ClientOrderID == "" && len(change.AdvancedInstructions) == 0 {
		return OrderRequest{}, wire.Unprocessable("order parameters are not changed")
	}
	return request, nil
}

func overwrite(target *Amount, change Amount) bool {
	if change.Value == nil || (target.Value != nil && target.Value.Equal(*change.Value)) {
		return false
	}
	target.Value = change.Value
	return true
}

func (e *entry) replaceable(change ReplaceRequest) error {
	if e.parent != nil {
		return e.rejectLeg()
	}
	if e.combo != nil && e.account.restriction.forbidsMultiLeg(replaceMultiLeg) {
		return wire.Forbidden("replace mleg order is disabled")
	}
	if e.Status == StatusReplaced {
		return wire.Unprocessable("order already replaced")
	}
	if e.replaces != nil && e.replaces.replacement == e {
		return wire.Unprocessable("order chain not fully replaced")
	}
	if e.Status != StatusNew && e.Status != StatusPartiallyFilled && e.Status != StatusHeld {
		return wire.Unprocessable("cannot replace order in %s status", e.Status)
	}
	if e.Notional != nil || change.Notional.Value != nil {
		return wire.Unprocessable("notional orders cannot be replaced")
	}
	if e.Class == OTO {
		return wire.Unprocessable("oto orders cannot be replaced")
	}
	qty := change.Qty.Value
	if qty == nil || qty.Equal(*e.Qty) {
		return nil
	}
	if e.family != nil {
		return wire.Unprocessable("qty cannot be changed for advanced orders")
	}
	if !e.Qty.Trunc(0).Equal(*e.Qty) {
		return wire.Unprocessable("qty cannot be changed for fractional orders")
	}
	if !qty.Trunc(0).Equal(*qty) {
		return wire.Unprocessable("qty must be integer")
	}
	if qty.LessThanOrEqual(e.FilledQty) && qty.IsPos() {
		return wire.Unprocessable("qty must be > filled_qty")
	}
	return nil
}

// inherit makes the draft the replacement of an order: its quantity counts what the old order filled already.
func (e *entry) inherit(old *entry) {
	e.Replaces, e.Intent, e.replaces, e.Class = old.ID, old.Intent, old, old.Class
	e.carry(old)
	if e.Type == TrailingStop && old.HighWaterMark != nil {
		e.HighWaterMark = nil
		e.trail(*old.HighWaterMark)
	}
}

func (e *entry) carry(old *entry) {
	e.Reduced = old.Reduced
	e.FilledQty, e.filledCost, e.triggered = old.FilledQty, old.filledCost, old.triggered && e.Type == StopLimit
	if e.combo == nil {
		return
	}
	for i, leg := range e.combo.legs {
		before := old.combo.legs[i]
		leg.Replaces, leg.FilledQty, leg.filledCost = before.ID, before.FilledQty, before.filledCost
	}
}

func (a *Account) startReplacement(old, candidate *entry, now time.Time) Order {
	a.register(candidate)
	if candidate.combo != nil {
		a.registerLegs(candidate, now)
	}
	old.replacement = candidate
	a.reserve(candidate)
	if old.Status == StatusHeld { // no venue has it yet
		a.replaceHeld(old, candidate, now)
		return candidate.snapshot()
	}
	answer := candidate.snapshot()
	if a.exchange.settings.FillLatency < 0 {
		a.completeReplacement(candidate, now)
		return answer
	}
	old.Status, old.UpdatedAt = StatusPendingReplace, now
	a.emit(string(StatusPendingReplace), old, now)
	a.later(a.acknowledgeDelay(candidate), candidate, a.completeReplacement)
	return answer
}

// completeReplacement is the venue's consent: the new order takes the old one's place.
func (a *Account) completeReplacement(candidate *entry, now time.Time) {
	if candidate.Status.Terminal() {
		return
	}
	old := candidate.replaces
	candidate.carry(old)
	if !candidate.remaining().IsPos() {
		old.Status = StatusPartiallyFilled
		a.refuseReplacement(old, now)
		return
	}
	old.replacement, old.ReplacedBy = nil, candidate.ID
	if old.combo != nil {
		for i, leg := range old.combo.legs {
			leg.ReplacedBy = candidate.combo.legs[i].ID
		}
	}
	a.end(old, StatusReplaced, now)
	old.family.adopt(old, candidate)
	a.activate(candidate)
	a.acknowledge(candidate, now)
	a.look(candidate, now)
}

// replaceHeld puts a new leg where a held one waits.
func (a *Account) replaceHeld(old, candidate *entry, now time.Time) {
	watched := old.resting
	old.replacement, old.ReplacedBy = nil, candidate.ID
	candidate.Status = StatusHeld
	a.end(old, StatusReplaced, now)
	old.family.adopt(old, candidate)
	a.emitHeld(candidate, now)
	if watched {
		a.exchange.book.rest(candidate)
	}
}

// refuseReplacement rejects the order that was to take e's place, because e came to its end first.
func (a *Account) refuseReplacement(e *entry, now time.Time) {
	candidate := e.replacement
	e.replacement = nil
	candidate.FilledQty, candidate.filledCost = decimal.Decimal{}, decimal.Decimal{}
	if candidate.combo != nil {
		for _, leg := range candidate.combo.legs {
			leg.FilledQty, leg.filledCost = decimal.Decimal{}, decimal.Decimal{}
		}
	}
	a.end(candidate, StatusRejected, now)
}
