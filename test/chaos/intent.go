package main

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// way is how a client asks for an order.
type way int

const (
	byKey     way = iota // HTTP with an Idempotency-Key
	byOwnID              // HTTP with a client_order_id
	byCommand            // a CloudEvent with a proof
)

// purpose is what an intent is for.
type purpose int

const (
	trade    purpose = iota // is filled
	resting                 // stays open, and is canceled by its client
	hopeless                // Alpaca refuses it
)

// intent is one order that one client wants exactly once. Symbol and quantity tell it from all others of its account.
type intent struct {
	number  int
	trader  *trader
	way     way
	purpose purpose
	name    string // the key, the client order ID, or the event's ID
	request order.OrderRequest
	dice    *rand.Rand // of its client's manners; used by one goroutine at a time

	mu      sync.Mutex
	outcome outcome
	orderID string
	refusal string // the answer that refused it
	claims  []string
}

// outcome is what an intent's client knows in the end.
type outcome int

const (
	unanswered outcome = iota
	placed             // told that the order exists
	refused            // told that it does not
	gaveUp             // the client left without an answer; both may be
	handled            // a command was taken; its events tell the rest
)

// symbols are liquid, and cheap enough that no account runs out of money.
func symbols() []string {
	return []string{
		"AAPL", "MSFT", "AMZN", "GOOGL", "TSLA", "NVDA", "META", "AMD", "INTC", "CSCO", "PFE", "KO", "T", "F", "BAC", "WMT",
		"DIS", "NKE", "XOM", "VZ",
	}
}

// newIntent makes the intent with a number. Whatever else happens, a seed makes the same intents.
func newIntent(seed uint64, number int, traders []trader) *intent {
	dice := rand.New(rand.NewPCG(seed, uint64(number)+1000))
	i := &intent{number: number, trader: &traders[number%len(traders)], name: fmt.Sprintf("chaos-%d-%d", seed, number), dice: dice}
	turn := number / len(traders) // which of the account's intents it is
	names := symbols()
	symbol, qty := names[turn%len(names)], int64(1+turn/len(names))
	i.request = order.OrderRequest{Symbol: symbol, Qty: amount(qty), Type: "market", TimeInForce: "day", Side: "buy"}
	if turn%len(names)%5 == 4 { // one side for each symbol: no account may trade with itself
		i.request.Side = "sell"
	}
	switch n := dice.IntN(100); {
	case n < 50:
		i.way = byKey
	case n < 75:
		i.way, i.request.ClientOrderID = byOwnID, i.name
	default:
		i.way = byCommand
	}
	switch n := dice.IntN(100); {
	case n < 3:
		i.purpose, i.request.Symbol = hopeless, "NOPE"
	case n < 5:
		i.purpose, i.request.Qty = hopeless, amount(1_000_000+int64(number))
	case n < 20:
		i.purpose, i.request.Type, i.request.TimeInForce, i.request.LimitPrice = resting, "limit", "gtc", amount(1)
		if i.request.Side == "sell" {
			i.request.LimitPrice = amount(2000)
		}
	}
	return i
}

func amount(n int64) *decimal.Number { return &decimal.Number{Decimal: decimal.FromInt(n)} }

// same reports whether an order at Alpaca is the intent's.
func (i *intent) same(o *accepted) bool {
	return o.Symbol == i.request.Symbol && o.Qty != nil && o.Qty.Equal(i.request.Qty.Decimal) && o.Side == i.request.Side && o.Type == i.request.Type
}

// identity tells intents of one account apart.
func (i *intent) identity() string { return i.request.Symbol + " " + i.request.Qty.String() }

func identityOf(o *accepted) string {
	if o.Qty == nil {
		return o.Symbol + " ?"
	}
	return o.Symbol + " " + o.Qty.String()
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

func (i *intent) known() (what outcome, orderID, refusal string, claims []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.outcome, i.orderID, i.refusal, i.claims
}
