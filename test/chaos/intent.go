package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// way is how a client asks for an order.
type way int

const (
	byKey     way = iota // HTTP with an Idempotency-Key
	byOwnID              // HTTP with a client_order_id
	byCommand            // a CloudEvent with a proof
)

// intent is one order that one client wants exactly once: a new one, the replacement of another, or the close of a
// position. Its mark tells it from all others of its account.
type intent struct {
	number  int
	trader  *trader
	way     way
	kind    kind
	name    string // the key, the client order ID, or the event's ID
	mark    string
	request order.OrderRequest
	// class is the asset class of request.
	class string
	// change replaces the order replaces; shut is the path of a request that closes a position.
	change   order.ReplaceRequest
	replaces string
	shut     string
	dice     *rand.Rand // of its client's manners; used by one goroutine at a time

	mu        sync.Mutex
	outcome   outcome
	orderID   string
	refusal   string // the answer that refused it
	claims    []string
	surprises []string
}

// outcome is what an intent's client knows in the end.
type outcome int

const (
	unanswered outcome = iota
	placed             // told that the order exists
	refused            // told that it does not
	gaveUp             // the client left without an answer; both may be
	left               // the client left when it was told to come back: nothing was sent
	handled            // a command was taken; its events tell the rest
	done               // by what the client sees the order must exist, whose answer never came
)

func amount(n int64) *decimal.Number { return &decimal.Number{Decimal: decimal.FromInt(n)} }

// markOf tells an order from others of its account.
func markOf(side, kind, symbol string, qty, notional *decimal.Decimal) string {
	size := "?"
	switch {
	case notional != nil:
		size = "$" + notional.String()
	case qty != nil:
		size = qty.String()
	}
	return strings.Join([]string{side, kind, symbol, size}, " ")
}

// markOfSpread is markOf for a multi-leg order.
func markOfSpread(symbols []string, qty *decimal.Decimal) string {
	return markOf("legs", "of", strings.Join(slices.Sorted(slices.Values(symbols)), "+"), qty, nil)
}

// markOfChange is markOf for an order that replaces another one with a price.
func markOfChange(replaces string, price *decimal.Decimal) string {
	return markOf("replaces", replaces, "at", price, nil)
}

func plain(n *decimal.Number) *decimal.Decimal {
	if n == nil {
		return nil
	}
	return &n.Decimal
}

// markOfRequest is the mark of the order that a request leads to.
func markOfRequest(r *order.OrderRequest) string {
	if len(r.Legs) == 0 {
		return markOf(r.Side, r.Type, r.Symbol, plain(r.Qty), plain(r.Notional))
	}
	var symbols []string
	for _, leg := range r.Legs {
		symbols = append(symbols, leg.Symbol)
	}
	return markOfSpread(symbols, plain(r.Qty))
}

// markOfAnswer is the mark of an order as an answer tells it.
func markOfAnswer(o *order.Order) string {
	switch {
	case o.Replaces != nil:
		return markOfChange(*o.Replaces, plain(o.LimitPrice))
	case o.OrderClass != "mleg":
		return markOf(o.Side, o.OrderType, o.Symbol, plain(o.Qty), plain(o.Notional))
	}
	var symbols []string
	for i := range o.Legs {
		symbols = append(symbols, o.Legs[i].Symbol)
	}
	return markOfSpread(symbols, plain(o.Qty))
}

// path is where the intent's request goes, and with which method.
func (i *intent) path() (method, path string) {
	switch {
	case i.replaces != "":
		return "PATCH", "/api/v1/orders/" + i.replaces
	case i.shut != "":
		return "DELETE", i.shut
	case i.class == event.AssetClassUSOption:
		return "POST", "/api/v1/options/order"
	case i.class == event.AssetClassCrypto:
		return "POST", "/api/v1/crypto/order"
	}
	return "POST", "/api/v1/stocks/order"
}

// body is what the request says; nil for none.
func (i *intent) body() any {
	switch {
	case i.replaces != "":
		return i.change
	case i.shut != "":
		return nil
	}
	return i.request
}

// end settles what the client knows.
func (i *intent) end(what outcome, orderID, refusal string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.outcome, i.orderID, i.refusal = what, orderID, refusal
}

// claim notes something that must not have been: it is reported as a wrong answer.
func (i *intent) claim(format string, args ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.claims = append(i.claims, fmt.Sprintf(format, args...))
}

// surprise notes an answer that may be true and that nobody expects.
func (i *intent) surprise(format string, args ...any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.surprises = append(i.surprises, fmt.Sprintf(format, args...))
}

// knowledge is what an intent's client knows.
type knowledge struct {
	outcome           outcome
	orderID, refusal  string
	claims, surprises []string
}

func (i *intent) known() knowledge {
	i.mu.Lock()
	defer i.mu.Unlock()
	return knowledge{i.outcome, i.orderID, i.refusal, slices.Clone(i.claims), slices.Clone(i.surprises)}
}
