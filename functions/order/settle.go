package order

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// source is the CloudEvents source of what this function publishes.
const source = "/opitios/order"

// refusal is how a rejected intent remembers its answer.
type refusal struct {
	Code    string         `json:"code"`
	Status  int            `json:"status"`
	Message string         `json:"message"`
	Details map[string]any `json:"details,omitempty"`
}

// refusalError is a refusal that is settled: its event tells it, and repeats get it again.
type refusalError struct{ why *problem.Error }

// Error returns the text for logs.
func (e *refusalError) Error() string { return e.why.Error() }

// Unwrap lets errors.As find the problem.
func (e *refusalError) Unwrap() error { return e.why }

// settled reports whether err is an answer that repeats will get again.
func settled(err error) bool {
	var refused *refusalError
	return errors.As(err, &refused)
}

// acknowledge settles an order that Alpaca took. The answer does not depend on Redis: the order exists.
func (f *Function) acknowledge(ctx context.Context, p *placement, token int64, placed *alpaca.Order) (order.Order, error) {
	native := order.FromAlpaca(placed)
	changed := event.OrderChangedOf(p.account.ID, placed, placed.SubmittedAt)
	// The trade-update source makes the same event, with the same ID, when it is first to hear of the order.
	f.settle(ctx, p, token, intent.Acknowledged, native, placed.ID+":accepted", event.TypeOrderAccepted, changed)
	p.orderID = placed.ID
	if alpaca.Terminal(placed.Status) {
		f.giveBack(p, false)
	}
	f.observe(p, "accepted")
	return native, nil
}

// reject settles an order that Alpaca refused, and returns the refusal.
func (f *Function) reject(ctx context.Context, p *placement, token int64, why *problem.Error) error {
	why = why.With("client_order_id", p.request.ClientOrderID)
	changed := event.OrderChanged{
		AccountID: p.account.ID, ClientOrderID: p.request.ClientOrderID, Symbol: p.request.Symbol, AssetClass: p.assetClass,
		Side: p.request.Side, Type: p.request.Type, TimeInForce: p.request.TimeInForce, Status: alpaca.StatusRejected,
		Qty: decimal.NumberOf(p.request.Qty), Notional: decimal.NumberOf(p.request.Notional),
		LimitPrice: decimal.NumberOf(p.request.LimitPrice), StopPrice: decimal.NumberOf(p.request.StopPrice), Replaces: p.replacesID(),
		Reason: &event.Reason{Code: why.Kind.Code(), Message: why.Message}, OccurredAt: f.Clock.Now().UTC(),
	}
	stored := refusal{Code: why.Kind.Code(), Status: why.Kind.Status(), Message: why.Message, Details: why.Details}
	f.settle(ctx, p, token, intent.Rejected, stored, p.request.ClientOrderID+":rejected", event.TypeOrderRejected, changed)
	f.giveBack(p, true)
	f.observe(p, "rejected")
	return &refusalError{why}
}

// decline settles a request that was never sent, because what it is about is not there or does not allow it. There is no
// order, so no event tells it; repeats get the same answer.
func (f *Function) decline(ctx context.Context, p *placement, token int64, why *problem.Error) error {
	why = why.With("client_order_id", p.request.ClientOrderID)
	stored := refusal{Code: why.Kind.Code(), Status: why.Kind.Status(), Message: why.Message, Details: why.Details}
	f.settle(ctx, p, token, intent.Rejected, stored, "", "", event.OrderChanged{})
	f.observe(p, "declined")
	return &refusalError{why}
}

// settle writes the final state and its event. What can't be written now the sweeper writes later: the intent stays
// unsettled until then, and a repeat finds the order at Alpaca.
func (f *Function) settle(ctx context.Context, p *placement, token int64, state intent.State, result any, eventID, eventType string, changed event.OrderChanged) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.config.RedisTimeout)
	defer cancel()
	err := f.settleOnce(ctx, p, token, state, result, eventID, eventType, changed)
	if errors.Is(err, intent.ErrCancel) {
		if changed.OrderID != "" { // a close-all has its orders' own intents for that
			f.cancelPlaced(ctx, p, changed.OrderID)
		}
		err = nil
	}
	if err == nil {
		f.Relay.Notify(p.account.ID)
		return
	}
	if errors.Is(err, intent.ErrTakenOver) { // the new owner settles it alike, unless it was forgotten before it was sent
		if by, stopped := f.kill.Stops(p.account.ID, p.closes != nil); stopped && by.CancelOrders && changed.OrderID != "" {
			f.cancelPlaced(ctx, p, changed.OrderID)
		}
		return
	}
	f.Logger.Error("intent not settled, the sweeper will", zap.String("account_id", p.account.ID),
		zap.String("client_order_id", p.request.ClientOrderID), zap.String("state", string(state)), zap.Error(err))
}

func (f *Function) settleOnce(ctx context.Context, p *placement, token int64, state intent.State, result any, eventID, eventType string, changed event.OrderChanged) error {
	encoded, err := json.Marshal(result)
	if err != nil {
		return err
	}
	if eventID == "" {
		return f.intents.Settle(ctx, intent.Settlement{ID: p.id(), Token: token, State: state, Result: encoded, Exit: p.closes != nil})
	}
	encodedEvent, err := f.encodeEvent(eventType, eventID, p, changed)
	if err != nil {
		return err
	}
	settlement := intent.Settlement{
		ID: p.id(), Token: token, State: state, Result: encoded, EventID: eventID, Event: encodedEvent, Hold: p.holdNow(),
		Exit: p.closes != nil,
	}
	settlement.SecondID, settlement.Second = p.breachID, p.breach
	return f.intents.Settle(ctx, settlement)
}

func (f *Function) encodeEvent(eventType, eventID string, p *placement, data any) ([]byte, error) {
	made, err := event.Builder{Clock: f.Clock}.New(eventType, source, p.account.ID, data,
		event.WithID(eventID), event.WithCausation(p.causation), event.WithCorrelation(p.request.ClientOrderID))
	if err != nil {
		return nil, err
	}
	return json.Marshal(made)
}

// replay is the answer that the first request got.
func replay(r intent.Reservation) (order.Order, error) {
	if r.State == intent.Rejected {
		return order.Order{}, replayRefusal(r.Result)
	}
	var native order.Order
	if err := json.Unmarshal(r.Result, &native); err != nil {
		return order.Order{}, problem.Internal.New("internal error").Because(err)
	}
	return native, nil
}

func replayRefusal(result []byte) error {
	var stored refusal
	decoder := json.NewDecoder(bytes.NewReader(result))
	decoder.UseNumber() // amounts in the details are decimals
	if err := decoder.Decode(&stored); err != nil {
		return problem.Internal.New("internal error").Because(err)
	}
	for _, kind := range problem.Kinds() {
		if kind.Code() == stored.Code && kind.Status() == stored.Status {
			return &refusalError{&problem.Error{Kind: kind, Message: stored.Message, Details: stored.Details}}
		}
	}
	return &refusalError{&problem.Error{Kind: problem.OrderRejected, Message: stored.Message, Details: stored.Details}}
}
