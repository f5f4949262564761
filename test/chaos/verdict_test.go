package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// market is one intent and the order that Alpaca has for it.
func market(t *testing.T) (*trader, *intent, accepted) {
	t.Helper()
	traders := []trader{{id: "a"}}
	for n := 0; ; n++ {
		if i := newIntent(1, n, traders, listingNow(t)); i.kind == shares && i.way != byCommand {
			return &traders[0], i, orderOf(i, "o1")
		}
	}
}

func listingNow(t *testing.T) *listing {
	t.Helper()
	l, err := newListing(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func orderOf(i *intent, id string) accepted {
	return accepted{ID: id, Symbol: i.request.Symbol, Side: i.request.Side, Type: i.request.Type, Qty: &i.request.Qty.Decimal}
}

// counted is what a verdict found.
func counted(r *Report) string {
	return fmt.Sprintf("unexpected=%d duplicates=%d lost=%d wrong=%d unordered=%d", len(r.Unexpected), len(r.Duplicates), len(r.Lost), len(r.Wrong), len(r.Unordered))
}

// TestAnswersAreJudged: the comparison itself finds what it is for.
func TestAnswersAreJudged(t *testing.T) {
	tests := []struct {
		name   string
		client func(*intent)
		orders func(*intent) []accepted
		events []told
		want   string
	}{
		{"placed", func(i *intent) { i.end(placed, "o1", "") }, one, nil, "unexpected=0 duplicates=0 lost=0 wrong=0 unordered=0"},
		{"two orders", func(i *intent) { i.end(placed, "o1", "") }, two, nil, "unexpected=0 duplicates=1 lost=0 wrong=0 unordered=0"},
		{"told of an order that is not there", func(i *intent) { i.end(placed, "o1", "") }, none, nil, "unexpected=0 duplicates=0 lost=1 wrong=0 unordered=0"},
		{"told of another's order", func(i *intent) { i.end(placed, "o1", "") }, another, nil, "unexpected=0 duplicates=0 lost=0 wrong=2 unordered=0"},
		{"refused", func(i *intent) { i.end(refused, "", "422 X") }, none, nil, "unexpected=1 duplicates=0 lost=0 wrong=0 unordered=0"},
		{"refused, but there", func(i *intent) { i.end(refused, "", "422 X") }, one, nil, "unexpected=0 duplicates=0 lost=0 wrong=1 unordered=0"},
		{"left after 429", func(i *intent) { i.end(left, "", "429 X") }, none, nil, "unexpected=0 duplicates=0 lost=0 wrong=0 unordered=0"},
		{"left after 429, but there", func(i *intent) { i.end(left, "", "429 X") }, one, nil, "unexpected=0 duplicates=0 lost=0 wrong=1 unordered=0"},
		{"closed, its answer lost", func(i *intent) { i.end(done, "", "") }, one, nil, "unexpected=0 duplicates=0 lost=0 wrong=0 unordered=0"},
		{"not closed, its answer lost", func(i *intent) { i.end(done, "", "") }, none, nil, "unexpected=0 duplicates=0 lost=1 wrong=0 unordered=0"},
		{"an odd answer", func(i *intent) { i.end(placed, "o1", ""); i.surprise("500") }, one, nil, "unexpected=1 duplicates=0 lost=0 wrong=0 unordered=0"},
		{"never answered", func(*intent) {}, one, nil, "unexpected=0 duplicates=0 lost=1 wrong=0 unordered=0"},
		{"given up, not there", func(i *intent) { i.end(gaveUp, "", "") }, none, nil, "unexpected=0 duplicates=0 lost=0 wrong=0 unordered=0"},
		{"given up, there", func(i *intent) { i.end(gaveUp, "", "") }, one, nil, "unexpected=0 duplicates=0 lost=0 wrong=0 unordered=0"},
		{"command taken", func(i *intent) { i.end(handled, "", "") }, one, nil, "unexpected=0 duplicates=0 lost=0 wrong=0 unordered=0"},
		{"command taken for nothing", func(i *intent) { i.end(handled, "", "") }, none, nil, "unexpected=0 duplicates=0 lost=1 wrong=0 unordered=0"},
		{"a claim", func(i *intent) { i.end(placed, "o1", ""); i.claim("x") }, one, nil, "unexpected=0 duplicates=0 lost=0 wrong=1 unordered=0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trader, i, _ := market(t)
			test.client(i)
			report := &Report{Refusals: map[string]int{}, Kinds: map[string]int{}}
			judgeAnswers(report, trader, []*intent{i}, marked(test.orders(i)), test.events)
			if got := counted(report); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if report.Clean() != (test.want == "unexpected=0 duplicates=0 lost=0 wrong=0 unordered=0") {
				t.Error("clean or not?")
			}
		})
	}
}

func none(*intent) []accepted  { return nil }
func one(i *intent) []accepted { return []accepted{orderOf(i, "o1")} }
func two(i *intent) []accepted { return []accepted{orderOf(i, "o1"), orderOf(i, "o2")} }

func another(i *intent) []accepted {
	other := orderOf(i, "o1")
	other.Symbol = "OTHER"
	return []accepted{other}
}

// TestEventsAreJudged: each thing that can be wrong with an account's events is found.
func TestEventsAreJudged(t *testing.T) {
	history := []tradeEvent{
		{ID: "e1", Name: "new", OrderID: "o1"}, {ID: "e2", Name: "partial_fill", OrderID: "o1", ExecutionID: "x1"},
		{ID: "e3", Name: "fill", OrderID: "o1", ExecutionID: "x2"}, {ID: "e4", Name: "canceled", OrderID: "o2"},
	}
	const right = "o1:accepted o1:x1 o1:x1:position e2:account o1:filled o1:x2:position e3:account o2:accepted o2:canceled"
	tests := []struct {
		name, ids  string
		unordered  int
		rearranged bool // numbers that do not grow
	}{
		{"right", right, 0, false},
		{"accepted is missing", strings.Replace(right, "o2:accepted ", "", 1), 1, false},
		{"a fill is missing", strings.Replace(right, "o1:filled ", "", 1), 1, false},
		{"a position is missing", strings.Replace(right, "o1:x1:position ", "", 1), 1, false},
		{"the end is missing", strings.Replace(right, " o2:canceled", "", 1), 1, false},
		{"filled before accepted", strings.Replace(right, "o2:accepted o2:canceled", "o2:canceled o2:accepted", 1), 1, false},
		{"filled before the part", "o1:accepted o1:filled o1:x1 o1:x1:position e2:account o1:x2:position e3:account o2:accepted o2:canceled", 1, false},
		{"numbers that do not grow", right, 8, true},
		{"nothing", "", 9, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var events []told
			for n, id := range strings.Fields(test.ids) {
				sequence := fmt.Sprintf("%020d", n+1)
				if test.rearranged {
					sequence = fmt.Sprintf("%020d", 100-n)
				}
				events = append(events, told{id: id, kind: event.TypeOrderFilled, sequence: sequence})
			}
			report := &Report{}
			judgeEvents(report, &trader{id: "a"}, []accepted{{ID: "o1", mark: "one"}, {ID: "o2", mark: "two"}}, history, events)
			if len(report.Unordered) != test.unordered {
				t.Errorf("found %d, want %d: %q", len(report.Unordered), test.unordered, report.Unordered)
			}
		})
	}
}

// TestCancelsAreJudged: an order whose cancel was taken must have come to an end.
func TestCancelsAreJudged(t *testing.T) {
	orders := []accepted{{ID: "o1", Status: "canceled"}, {ID: "o2", Status: "filled"}, {ID: "o3", Status: "new"}, {ID: "o4", Status: "new"}}
	for name, test := range map[string]struct {
		canceled []string
		wrong    int
	}{
		"none": {nil, 0}, "ended": {[]string{"o1", "o2"}, 0}, "open": {[]string{"o1", "o3"}, 1}, "unknown": {[]string{"o5"}, 1},
	} {
		report := &Report{}
		judgeCancels(report, &trader{id: "a"}, orders, test.canceled)
		if len(report.Wrong) != test.wrong {
			t.Errorf("%s: %q", name, report.Wrong)
		}
	}
}

// TestEventsOfLegs: a multi-leg order has a position for each leg, and its legs no events of their own; a bracket's leg
// is accepted once it is at the market.
func TestEventsOfLegs(t *testing.T) {
	type leg = struct {
		OrderID     string `json:"order_id"`
		ExecutionID string `json:"execution_id"`
	}
	orders := marked([]accepted{
		{ID: "spread", Type: "market"}, {ID: "call1", Symbol: "C1", Parent: "spread"}, {ID: "call2", Symbol: "C2", Parent: "spread"},
		{ID: "entry", Symbol: "X", Side: "buy", Type: "market"}, {ID: "profit", Symbol: "X", Parent: "entry"}, {ID: "stop", Symbol: "X", Parent: "entry"},
		{ID: "further", Symbol: "X", Parent: "entry", Replaces: "profit"},
	})
	history := []tradeEvent{
		{ID: "e1", Name: "fill", OrderID: "spread", ExecutionID: "x", Legs: []leg{{"call1", "x1"}, {"call2", "x2"}}},
		{ID: "e2", Name: "new", OrderID: "profit"}, {ID: "e3", Name: "replaced", OrderID: "profit"}, {ID: "e4", Name: "new", OrderID: "further"},
	}
	const right = "spread:accepted spread:filled call1:x1:position call2:x2:position e1:account entry:accepted profit:accepted profit:replaced further:accepted"
	for _, missing := range strings.Fields("none spread:accepted call2:x2:position profit:accepted profit:replaced further:accepted") {
		var events []told
		for n, id := range strings.Fields(right) {
			if id != missing {
				events = append(events, told{id: id, kind: event.TypeOrderFilled, sequence: fmt.Sprintf("%020d", n+1)})
			}
		}
		report := &Report{}
		judgeEvents(report, &trader{id: "a"}, orders, history, events)
		want := 1
		if missing == "none" {
			want = 0
		}
		if len(report.Unordered) != want {
			t.Errorf("without %s: %q", missing, report.Unordered)
		}
	}
}

// TestMarksAgree: what is asked for, answered and accepted is told by the same mark, whatever kind it is of.
func TestMarksAgree(t *testing.T) {
	l, traders := listingNow(t), []trader{{id: "a"}}
	seen := make(map[kind]bool)
	for n := range 120 {
		i := newIntent(2, n, traders, l)
		seen[i.kind] = true
		r := &i.request
		answered := order.Order{Symbol: r.Symbol, Side: r.Side, OrderType: r.Type, OrderClass: r.OrderClass, Qty: r.Qty, Notional: r.Notional}
		orders := []accepted{{ID: "o", Symbol: r.Symbol, Side: r.Side, Type: r.Type, Qty: plain(r.Qty), Notional: plain(r.Notional)}}
		for n, leg := range r.Legs {
			answered.Legs = append(answered.Legs, order.Order{Symbol: leg.Symbol})
			orders = append(orders, accepted{ID: fmt.Sprint("leg", n), Symbol: leg.Symbol, Parent: "o"})
		}
		if a, b := markOfAnswer(&answered), marked(orders)[0].mark; a != i.mark || b != i.mark {
			t.Errorf("%s: asked for %q, answered %q, accepted %q", i.kind, i.mark, a, b)
		}
	}
	if len(seen) != len(mix()) {
		t.Errorf("of all kinds only %v", seen)
	}
}

// TestClientsComeBack: after 429 not before Retry-After, and never much later than they have patience for.
func TestClientsComeBack(t *testing.T) {
	for _, test := range []struct {
		status     int
		retryAfter time.Duration
		want       time.Duration
	}{
		{429, 3 * time.Second, 3 * time.Second}, {429, 0, 100 * time.Millisecond}, {429, time.Hour, longestWait},
		{503, time.Second, 500 * time.Millisecond}, {0, 0, 100 * time.Millisecond}, {503, time.Hour, time.Second},
	} {
		a := answer{status: test.status, retryAfter: test.retryAfter}
		if got := a.due(100 * time.Millisecond); got != test.want {
			t.Errorf("%d, Retry-After %s: %s, want %s", test.status, test.retryAfter, got, test.want)
		}
	}
}
