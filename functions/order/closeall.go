package order

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// closesAtOnce is how many positions are closed side by side.
const closesAtOnce = 8

// Closed is what became of one position of a close-all.
type Closed struct {
	Symbol string `json:"symbol"`
	// Status is the HTTP status that closing the position alone would have.
	Status int `json:"status"`
	// Order is the closing order; null when there is none, and Error says why.
	Order *order.Order `json:"order"`
	Error *CloseError  `json:"error,omitempty"`
}

// CloseError is why a position was not closed, as in a failed answer.
type CloseError struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Details map[string]any `json:"details,omitempty"`
}

// ClosedAll is the answer to a close-all.
type ClosedAll struct {
	Positions []Closed `json:"positions"`
}

// closeAllPositions closes each position by an order of its own, whose client order ID follows from the request's and the
// symbol: repeated after a crash, it finds the orders that it placed.
func (f *Function) closeAllPositions(ctx context.Context, r *serve.Request[serve.None]) (ClosedAll, error) {
	cancelOrders, err := boolParameter(r.URL.Query(), "cancel_orders")
	if err != nil {
		return ClosedAll{}, err
	}
	p, err := f.newRequest(ctx, r.Claims.AccountID, r.Request, r.Answer, "close all", cancelOrders)
	if err != nil {
		return ClosedAll{}, err
	}
	p.closes = &closing{CancelOrders: cancelOrders}
	p.request.ClientOrderID = clientOrderID(p.account.ID, "", p.idempotencyKey)
	reservation, err := f.reserve(ctx, p)
	if err != nil {
		return ClosedAll{}, err
	}
	switch reservation.Outcome {
	case intent.New, intent.Resume:
		return f.closeEach(context.WithoutCancel(ctx), p, reservation)
	case intent.Replay:
		return replayClosedAll(reservation)
	default:
		return ClosedAll{}, f.standing(p, reservation)
	}
}

func replayClosedAll(r intent.Reservation) (ClosedAll, error) {
	if r.State == intent.Rejected {
		return ClosedAll{}, replayRefusal(r.Result)
	}
	var all ClosedAll
	if err := json.Unmarshal(r.Result, &all); err != nil {
		return ClosedAll{}, problem.Internal.New("internal error").Because(err)
	}
	return all, nil
}

// closeEach does the work of p, the close-all. Its answer is final when each position's is.
func (f *Function) closeEach(ctx context.Context, p *placement, r intent.Reservation) (ClosedAll, error) {
	held, err := f.heldPositions(ctx, p)
	if err != nil {
		f.forget(ctx, p, r.Token) // nothing was sent, or only cancels
		return ClosedAll{}, alpaca.Problem(err)
	}
	// After the positions: what was closed before them is among the orders then, however late its order arrived.
	var former []alpaca.Order
	var unread error
	var reading sync.WaitGroup
	reading.Go(func() { former, unread = f.formerCloses(ctx, p) })
	all, final := f.closeHeld(ctx, p, held)
	reading.Wait()
	if unread != nil {
		f.yield(ctx, p, r.Token)
		if r.Outcome == intent.Resume {
			return ClosedAll{}, problem.Unavailable.New("what is held is being closed; what an earlier attempt closed could not be read, repeat the request").
				After(retrySoon).Because(unread)
		}
		return all, nil // there is no earlier attempt that anybody here knows of
	}
	all.Positions = append(all.Positions, gone(former, held)...)
	if !final {
		f.yield(ctx, p, r.Token) // a repeat goes on where this one ended
		return all, nil
	}
	f.settle(ctx, p, r.Token, intent.Acknowledged, all, "", "", event.OrderChanged{})
	return all, nil
}

// closeHeld closes positions side by side and reports whether what became of each is final.
func (f *Function) closeHeld(ctx context.Context, p *placement, held []alpaca.Position) (ClosedAll, bool) {
	all := ClosedAll{Positions: make([]Closed, len(held))}
	final := make([]bool, len(held))
	places := make(chan struct{}, closesAtOnce)
	var wait sync.WaitGroup
	for i := range held {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			all.Positions[i], final[i] = f.closeOne(ctx, p, &held[i])
		})
	}
	wait.Wait()
	return all, !slices.Contains(final, false)
}

// formerCloses are the orders by which an earlier attempt of p closed positions, as far as they are among the account's
// latest. A failure keeps nobody from closing what is held, but the answer is not final then.
func (f *Function) formerCloses(ctx context.Context, p *placement) ([]alpaca.Order, error) {
	if !p.repeatable() {
		return nil, nil
	}
	latest, err := f.Alpaca.Orders(alpaca.Urgent(ctx), p.account.Credentials, alpaca.OrdersQuery{Status: "all", Limit: maxPage})
	if err != nil {
		f.Logger.Warn("former closing orders not read", zap.String("account_id", p.account.ID), zap.Error(err))
		return nil, err
	}
	return slices.DeleteFunc(latest, func(o alpaca.Order) bool { return !closesFor(p, &o) }), nil
}

// closesFor reports whether an order closes a position for the close-all p.
func closesFor(p *placement, o *alpaca.Order) bool {
	return o.ClientOrderID == closeID(p, positionSymbol(o))
}

// positionSymbol is the symbol that a position from an order has: without a slash.
func positionSymbol(o *alpaca.Order) string { return strings.ReplaceAll(o.Symbol, "/", "") }

// gone is what became of the positions that former orders closed and that are not held any more.
func gone(former []alpaca.Order, held []alpaca.Position) []Closed {
	var closed []Closed
	for i := range former {
		symbol := positionSymbol(&former[i])
		if slices.ContainsFunc(held, func(p alpaca.Position) bool { return p.Symbol == symbol }) {
			continue
		}
		native := order.FromAlpaca(&former[i])
		closed = append(closed, Closed{Symbol: symbol, Status: http.StatusOK, Order: &native})
	}
	return closed
}

func (f *Function) heldPositions(ctx context.Context, p *placement) ([]alpaca.Position, error) {
	if p.closes.CancelOrders {
		if err := f.release(ctx, p.account, "", func(o *alpaca.Order) bool { return closesFor(p, o) }); err != nil {
			return nil, err
		}
	}
	return f.Alpaca.Positions(alpaca.Urgent(ctx), p.account.Credentials)
}

// closeID is the client order ID of the order by which a close-all closes a position, whose symbol has no slash.
func closeID(all *placement, symbol string) string {
	return derivedID(fromClose, all.account.ID, all.request.ClientOrderID, symbol)
}

// closeOne closes one position of a close-all and reports whether the answer is final.
func (f *Function) closeOne(ctx context.Context, all *placement, held *alpaca.Position) (Closed, bool) {
	one := &placement{
		account: all.account, assetClass: held.AssetClass, arrived: f.Clock.Now(), causation: all.causation,
		closes: &closing{Symbol: held.Symbol, held: held},
		given:  all.repeatable(), // the repeat of a close-all repeats its orders
	}
	one.request.ClientOrderID = closeID(all, held.Symbol)
	one.fingerprint = all.fingerprint + " " + held.Symbol
	placed, _, err := f.place(ctx, one)
	if err == nil {
		return Closed{Symbol: held.Symbol, Status: http.StatusOK, Order: &placed}, true
	}
	why := problem.From(err)
	return Closed{
		Symbol: held.Symbol, Status: why.Kind.Status(), Error: &CloseError{why.Kind.Code(), why.Message, why.Details},
	}, settled(err)
}
