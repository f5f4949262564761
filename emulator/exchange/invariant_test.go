package exchange //nolint:testpackage // invariants are about what no caller sees: holds, queues and the book

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// TestLedgerAddsUp throws random orders, prices, cancels, replacements and days at an account and checks after every step
// that its money, holds, positions and events agree with each other to the last digit.
func TestLedgerAddsUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRandomLedger(t)
		t.Repeat(map[string]func(*rapid.T){
			"submit":  r.submit,
			"option":  r.option,
			"combo":   r.combo,
			"coin":    r.coin,
			"options": r.exercise,
			"price":   r.price,
			"cancel":  r.cancel,
			"replace": r.replace,
			"close":   r.close,
			"wait":    r.wait,
			"":        r.check,
		})
	})
}

// TestShortCallsStayCovered: whatever an account does, and also while it closes everything at once, every short call has a call
// that lives as long or a hundred shares behind it.
func TestShortCallsStayCovered(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := newRandomLedger(t)
		r.symbols, r.underlyings = []string{"F"}, []string{"F"}
		t.Repeat(map[string]func(*rapid.T){
			"submit":  r.submit,
			"option":  r.option,
			"combo":   r.combo,
			"options": r.exercise,
			"price":   r.price,
			"cancel":  r.cancel,
			"replace": r.replace,
			"close":   r.close,
			"wait":    r.wait,
			"": func(t *rapid.T) {
				r.check(t)
				risk := r.held()
				if shares := countOf(r.account.positionQty("F")) / asset.Multiplier; risk.shortage() > max(0, shares) {
					t.Fatalf("%d short calls are uncovered, %s shares", risk.shortage(), r.account.positionQty("F"))
				}
			},
		})
	})
}

// held are the options on F.
func (r *randomLedger) held() optionRisk {
	var risk optionRisk
	for _, h := range r.account.holdings {
		if c := h.asset.Contract; c != nil && c.Underlying.Symbol == "F" {
			risk = append(risk, contracts{c, countOf(h.qty)})
		}
	}
	return risk
}

type randomLedger struct {
	account *Account
	clock   *clock.Fake
	symbols []string

	underlyings []string // of options
}

func newRandomLedger(t *rapid.T) *randomLedger {
	fake := clock.NewFake(time.Date(2026, time.November, 23, 15, 0, 0, 0, time.UTC))
	hours, err := session.NewClock(session.Settings{Mode: session.Real}, fake)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	latency := rapid.SampledFrom([]time.Duration{-1, time.Nanosecond}).Draw(t, "latency")
	settings := Settings{
		FillLatency: latency, PartialFillProbability: 0.4,
		Disputed: Disputed{
			HeldEvents: true, WideNotional: true, WideOptionOrders: rapid.Bool().Draw(t, "wide"),
			PatternDayTraderFields: rapid.Bool().Draw(t, "day trader rule"), IntradayMarginCalls: rapid.Bool().Draw(t, "margin calls"),
		},
	}
	x := New(settings, hours, market.New(3, hours), catalogue)
	account, err := x.Open(Opening{ID: "11111111-2222-3333-4444-555555555555", KeyID: "K", SecretKey: "S"})
	if err != nil {
		t.Fatal(err)
	}
	return &randomLedger{account: account, clock: fake, symbols: []string{"AAPL", "F", "AMC", "BTC/USD"}, underlyings: []string{"F", "F", "XSP", "DJX", "T"}}
}

// settle runs what the venue would do after its latency.
func (r *randomLedger) settle() { r.account.exchange.agenda.runDue(time.Now().Add(time.Hour)) }

func (r *randomLedger) submit(t *rapid.T) {
	kind := rapid.SampledFrom([]Type{Market, Limit, Stop, StopLimit, TrailingStop}).Draw(t, "type")
	body := fmt.Sprintf(`{"symbol":%q,"side":%q,"type":%q,"time_in_force":%q`,
		rapid.SampledFrom(r.symbols).Draw(t, "symbol"), rapid.SampledFrom([]Side{Buy, Sell}).Draw(t, "side"), kind,
		rapid.SampledFrom([]TimeInForce{Day, GoodTillCanceled, ImmediateOrCancel, FillOrKill}).Draw(t, "tif"))
	cents := func(name string) string { return fmt.Sprintf("%d.%02d", rapid.IntRange(1, 400).Draw(t, name), 25) }
	switch rapid.IntRange(0, 3).Draw(t, "size") {
	case 0:
		body += `,"notional":"` + cents("notional") + `"`
	case 1:
		body += fmt.Sprintf(`,"qty":"%d.%09d"`, rapid.IntRange(0, 20).Draw(t, "whole"), rapid.IntRange(0, 999999999).Draw(t, "rest"))
	default:
		body += fmt.Sprintf(`,"qty":"%d"`, rapid.IntRange(1, 2000).Draw(t, "qty"))
	}
	if kind == Limit || kind == StopLimit {
		body += `,"limit_price":"` + cents("limit") + `"`
	}
	if kind == Stop || kind == StopLimit {
		body += `,"stop_price":"` + cents("stop") + `"`
	}
	if kind == TrailingStop {
		body += `,"trail_percent":"1.5"`
	}
	switch rapid.IntRange(0, 5).Draw(t, "class") {
	case 0:
		body += `,"order_class":"bracket","take_profit":{"limit_price":"` + cents("profit") + `"},"stop_loss":{"stop_price":"` + cents("loss") + `"}`
	case 1:
		body += `,"order_class":"oco","take_profit":{"limit_price":"` + cents("profit") + `"},"stop_loss":{"stop_price":"` + cents("loss") + `","limit_price":"` + cents("bound") + `"}`
	case 2:
		body += `,"order_class":"oto","stop_loss":{"stop_price":"` + cents("loss") + `"}`
	}
	request, err := DecodeOrder([]byte(body + `}`))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.account.Submit(request) // a refusal is as good as an order here
}

func (r *randomLedger) price(t *rapid.T) {
	symbol := rapid.SampledFrom(r.symbols).Draw(t, "symbol")
	cents := rapid.Int64Range(50, 40_000).Draw(t, "cents")
	price, err := decimal.FromInt(cents).Div64(100)
	if err != nil {
		t.Fatal(err)
	}
	r.account.exchange.market.Pin(symbol, price)
	r.account.exchange.SweepSymbol(symbol)
}

func (r *randomLedger) anyOrder(t *rapid.T) string {
	if len(r.account.submitted) == 0 {
		t.Skip("no orders yet")
	}
	return rapid.SampledFrom(r.account.submitted).Draw(t, "order").ID
}

func (r *randomLedger) cancel(t *rapid.T) { _ = r.account.Cancel(r.anyOrder(t)) }

func (r *randomLedger) replace(t *rapid.T) {
	change := ReplaceRequest{}
	if qty := rapid.Int64Range(0, 50).Draw(t, "qty"); qty > 0 {
		value := decimal.FromInt(qty)
		change.Qty.Value = &value
	}
	if limit := rapid.Int64Range(0, 400).Draw(t, "limit"); limit > 0 {
		value := decimal.FromInt(limit)
		change.LimitPrice.Value = &value
	}
	_, _ = r.account.Replace(r.anyOrder(t), change)
}

func (r *randomLedger) close(t *rapid.T) {
	r.account.CloseAll(rapid.Bool().Draw(t, "cancel orders"))
}

func (r *randomLedger) wait(t *rapid.T) {
	r.settle()
	r.clock.Advance(time.Duration(rapid.IntRange(0, 40).Draw(t, "hours")) * time.Hour)
	r.account.exchange.Sweep()
}

func (r *randomLedger) check(t *rapid.T) {
	r.checkMoney(t)
	r.checkOrders(t)
	r.checkEvents(t)
}

// checkMoney rebuilds cash and positions from nothing but the fills.
func (r *randomLedger) checkMoney(t *rapid.T) {
	cash := decimal.FromInt(100_000)
	positions := make(map[string]decimal.Decimal)
	for _, event := range r.account.events() {
		if n := event.Adjustment; n != nil {
			cash = cash.Add(n.NetAmount)
			positions[n.Asset.Symbol] = positions[n.Asset.Symbol].Add(n.Qty)
			if n.Price != nil && !n.NetAmount.Equal(n.Qty.Mul(*n.Price).Neg()) {
				t.Fatalf("%s of %s shares at %s brings %s", n.Type, n.Qty, n.Price, n.NetAmount)
			}
			continue
		}
		r.addFills(t, event, &cash, positions)
	}
	if !cash.Equal(r.account.cash) {
		t.Fatalf("cash = %s, fills add up to %s", r.account.cash, cash)
	}
	for symbol, qty := range positions {
		if got := r.account.positionQty(symbol); !got.Equal(qty) {
			t.Fatalf("position in %s = %s, fills add up to %s", symbol, got, qty)
		}
	}
	for symbol, held := range r.account.holdings {
		if _, known := positions[symbol]; !known || held.qty.IsZero() {
			t.Fatalf("%s of %s came from nowhere", held.qty, symbol)
		}
	}
}

// addFills counts what an event traded; a multi-leg order trades in all of its legs at once.
func (r *randomLedger) addFills(t *rapid.T, event *Event, cash *decimal.Decimal, positions map[string]decimal.Decimal) {
	var net decimal.Decimal
	for _, activity := range event.Activities() {
		fill := activity.execution()
		signed := fill.qty
		if fill.side == Sell {
			signed = signed.Neg()
		}
		coins, dollars := fee(fill.of, fill.side, fill.qty, fill.price)
		net = net.Add(signed.Mul(fill.price))
		*cash = cash.Sub(fill.of.Worth(signed, fill.price)).Sub(dollars)
		positions[fill.of.Symbol] = positions[fill.of.Symbol].Add(signed).Sub(coins)
		said := event.PositionQty
		if activity.leg != nil {
			said = &activity.leg.PositionQty
		}
		if !positions[fill.of.Symbol].Equal(*said) {
			t.Fatalf("event %s says position %s, fills add up to %s", event.ID, said, positions[fill.of.Symbol])
		}
	}
	if len(event.Legs) > 0 && !net.Equal(event.Qty.Mul(*event.Price)) {
		t.Fatalf("event %s: %s units at %s, legs add up to %s", event.ID, event.Qty, event.Price, net)
	}
}

// checkOrders compares the holds with the open orders, and every closing order with the position it closes.
func (r *randomLedger) checkOrders(t *rapid.T) {
	var reserved, reservedCash decimal.Decimal
	for _, e := range r.account.submitted {
		if e.paidInFull() {
			reservedCash = reservedCash.Add(e.reserved)
		} else {
			reserved = reserved.Add(e.reserved)
		}
		if e.parent != nil {
			r.checkLeg(t, e)
			continue
		}
		if e.Status.Terminal() && (!e.reserved.IsZero() || e.resting) {
			t.Fatalf("%s order %s holds %s, resting %v", e.Status, e.ID, e.reserved, e.resting)
		}
		if e.Qty != nil && e.FilledQty.GreaterThan(*e.Qty) {
			t.Fatalf("order %s filled %s of %s", e.ID, e.FilledQty, e.Qty)
		}
		if e.Notional != nil && e.filledCost.GreaterThan(*e.Notional) {
			t.Fatalf("order %s spent %s of %s", e.ID, e.filledCost, e.Notional)
		}
		pendingReplacement := e.replaces != nil && e.replaces.replacement == e
		if listed := r.isOpen(e); listed == (e.Status.Terminal() || e.Status == StatusHeld || pendingReplacement) {
			t.Fatalf("%s order %s: in the open list = %v", e.Status, e.ID, listed)
		}
	}
	if !reserved.Equal(r.account.reserved) || !reservedCash.Equal(r.account.reservedCash) {
		t.Fatalf("account holds %s and %s in cash, orders hold %s and %s", r.account.reserved, r.account.reservedCash, reserved, reservedCash)
	}
	for _, symbol := range r.symbols {
		r.checkTied(t, symbol)
	}
	for symbol := range r.account.holdings {
		r.checkTied(t, symbol)
	}
}

// checkLeg: a leg is in the state of its parent, and filled in its ratio.
func (r *randomLedger) checkLeg(t *rapid.T, leg *entry) {
	parent := leg.parent
	if leg.Status != parent.Status || !leg.FilledQty.Equal(parent.FilledQty.Mul(*leg.RatioQty)) {
		t.Fatalf("leg %s is %s with %s, its parent %s with %s", leg.ID, leg.Status, leg.FilledQty, parent.Status, parent.FilledQty)
	}
	if !leg.reserved.IsZero() || leg.resting {
		t.Fatalf("leg %s holds %s, resting %v", leg.ID, leg.reserved, leg.resting)
	}
}

func (r *randomLedger) checkTied(t *rapid.T, symbol string) {
	var tied decimal.Decimal
	for _, e := range slices.Concat(r.account.open[queue{symbol, Buy}], r.account.open[queue{symbol, Sell}]) {
		if e.Notional == nil { // dollars to sell tie up a number of shares that moves with the price
			tied = tied.Add(e.tied())
		}
	}
	if held := r.account.positionQty(symbol).Abs(); tied.GreaterThan(held) {
		t.Fatalf("orders to close %s shares of %s, position is %s", tied, symbol, held)
	}
}

func (r *randomLedger) isOpen(e *entry) bool {
	for _, open := range r.account.open[e.queue()] {
		if open == e {
			return true
		}
	}
	return false
}

// legal lists the statuses that may follow a status, as events show them.
func legal() map[Status][]Status {
	ends := []Status{StatusFilled, StatusCanceled, StatusExpired, StatusReplaced, StatusRejected}
	live := append([]Status{StatusPartiallyFilled, StatusPendingCancel, StatusPendingReplace}, ends...)
	return map[Status][]Status{
		"":                    {StatusHeld, StatusPendingNew, StatusAccepted, StatusNew, StatusRejected},
		StatusHeld:            append([]Status{StatusNew}, ends...),
		StatusPendingNew:      append([]Status{StatusNew}, live...),
		StatusAccepted:        append([]Status{StatusNew}, live...),
		StatusNew:             live,
		StatusPartiallyFilled: live,
		StatusPendingCancel:   append([]Status{StatusPendingCancel}, ends...),
		StatusPendingReplace:  append([]Status{StatusPendingReplace, StatusPartiallyFilled}, ends...),
	}
}

// checkEvents makes sure that IDs grow, that no order makes an illegal step, and that the last event of every order
// shows the state that REST shows.
func (r *randomLedger) checkEvents(t *rapid.T) {
	allowed := legal()
	last := make(map[string]Status)
	for i, event := range r.account.events() {
		if i > 0 && event.ID.Compare(r.account.history.records[i-1].id) <= 0 {
			t.Fatalf("event %d has ID %s after %s", i, event.ID, r.account.history.records[i-1].id)
		}
		if event.Adjustment != nil {
			continue
		}
		before, now := last[event.Order.ID], event.Order.Status
		found := false
		for _, next := range allowed[before] {
			found = found || next == now
		}
		if !found {
			t.Fatalf("order %s went from %q to %q by event %s", event.Order.ID, before, now, event.Name)
		}
		last[event.Order.ID] = now
	}
	for _, e := range r.account.submitted {
		pendingReplacement := e.replaces != nil && e.replaces.replacement == e
		if !pendingReplacement && e.parent == nil && last[e.ID] != e.Status {
			t.Fatalf("order %s is %s, its last event said %s", e.ID, e.Status, last[e.ID])
		}
	}
}
