package risk_test

import (
	"slices"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
)

func d(text string) *decimal.Decimal {
	if text == "" {
		return nil
	}
	value := decimal.MustParse(text)
	return &value
}

func n(text string) *decimal.Number { return decimal.NumberOf(d(text)) }

// buys is a limit order for qty AAPL at price; an empty price is the market's.
func buys(qty, price string) risk.Order {
	return risk.OrderOf(&alpaca.OrderRequest{Symbol: "AAPL", Side: "buy", Type: "limit", Qty: d(qty), LimitPrice: d(price)}, false, false)
}

func sells(qty, price string) risk.Order {
	o := buys(qty, price)
	o.Buy = false
	return o
}

func quote() *risk.Price { return &risk.Price{Bid: d("99"), Ask: d("101"), Last: d("100")} }

func account() risk.State {
	return risk.State{Known: true, Cash: *d("100000"), Equity: *d("100000"), LastEquity: *d("100000")}
}

func with(change func(*risk.State)) risk.State {
	state := account()
	change(&state)
	return state
}

func holding(qty string) risk.State { return with(func(s *risk.State) { s.Position = *d(qty) }) }

func held(buy bool, qty, value string, closed bool) risk.State {
	return with(func(s *risk.State) {
		s.Holds = []risk.Hold{{Symbol: "AAPL", Buy: buy, Qty: d(qty), Value: d(value)}}
		if !closed {
			s.Open = 1
		}
	})
}

func count(n int) *int { return &n }

func TestDecide(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		controls risk.Controls
		order    risk.Order
		state    risk.State
		price    *risk.Price
		// want is the control that refuses, with limit and actual; "?" behind it when it can't tell.
		want, limit, actual string
	}{
		{"nothing is controlled", risk.Controls{}, buys("1000000", "1000"), account(), nil, "", "", ""},
		{"restricted", risk.Controls{RestrictedSymbols: []string{"AAPL"}}, buys("1", "1"), account(), nil, risk.RestrictedSymbols, "", ""},
		{"an option on a restricted symbol", risk.Controls{RestrictedSymbols: []string{"AAPL"}},
			risk.OrderOf(&alpaca.OrderRequest{Symbol: "AAPL270115C00150000", Side: "buy", Qty: d("1")}, true, false), account(), nil, risk.RestrictedSymbols, "", ""},
		{"quantity at the cap", risk.Controls{MaxOrderQty: n("10")}, buys("10", "1"), account(), nil, "", "", ""},
		{"quantity over the cap", risk.Controls{MaxOrderQty: n("10")}, buys("10.5", "1"), account(), nil, risk.MaxOrderQty, "10", "10.5"},
		{"value at the cap", risk.Controls{MaxOrderValue: n("1000")}, buys("10", "100"), account(), nil, "", "", ""},
		{"value over the cap", risk.Controls{MaxOrderValue: n("1000")}, buys("10", "100.01"), account(), nil, risk.MaxOrderValue, "1000", "1000.1"},
		{"a buy at the market costs the ask", risk.Controls{MaxOrderValue: n("1000")}, buys("10", ""), account(), quote(), risk.MaxOrderValue, "1000", "1010"},
		{"a sell brings the bid, not its low limit", risk.Controls{MaxOrderValue: n("1000")}, sells("11", "1"), account(), quote(), risk.MaxOrderValue, "1000", "1089"},
		{"no price", risk.Controls{MaxOrderValue: n("1000")}, buys("1", ""), account(), nil, risk.MaxOrderValue + "?", "", ""},
		{"a contract is a hundred shares", risk.Controls{MaxOrderValue: n("1000")},
			risk.OrderOf(&alpaca.OrderRequest{Symbol: "AAPL270115C00150000", Side: "buy", Qty: d("2"), LimitPrice: d("5.01")}, true, false), account(), nil, risk.MaxOrderValue, "1000", "1002"},
		{"within the collar", risk.Controls{PriceCollarPercent: n("5")}, buys("1", "106.05"), account(), quote(), "", "", ""},
		{"above the collar", risk.Controls{PriceCollarPercent: n("5")}, buys("1", "106.06"), account(), quote(), risk.PriceCollar, "5", "5.0099"},
		{"a low buy waits, and harms nobody", risk.Controls{PriceCollarPercent: n("5")}, buys("1", "1"), account(), quote(), "", "", ""},
		{"a sell far below the bid", risk.Controls{PriceCollarPercent: n("5")}, sells("1", "90"), account(), quote(), risk.PriceCollar, "5", "9.0909"},
		{"no quote for the collar", risk.Controls{PriceCollarPercent: n("5")}, buys("1", "1"), account(), nil, risk.PriceCollar + "?", "", ""},
		{"open orders at the cap", risk.Controls{MaxOpenOrders: count(2)}, buys("1", "1"), held(true, "1", "1", false), nil, "", "", ""},
		{"open orders over the cap", risk.Controls{MaxOpenOrders: count(1)}, buys("1", "1"), held(true, "1", "1", false), nil, risk.MaxOpenOrders, "1", "2"},
		{"a filled order is not open", risk.Controls{MaxOpenOrders: count(1)}, buys("1", "1"), held(true, "1", "1", true), nil, "", "", ""},
		{"loss below the limit", risk.Controls{MaxDailyLoss: n("1000")}, buys("1", "1"), with(func(s *risk.State) { s.Equity = *d("99000.01") }), nil, "", "", ""},
		{"loss at the limit", risk.Controls{MaxDailyLoss: n("1000")}, buys("1", "1"), with(func(s *risk.State) { s.Equity = *d("99000") }), nil, risk.MaxDailyLoss, "1000", "1000"},
		{"a loser may get out", risk.Controls{MaxDailyLoss: n("1000")}, sells("5", "1"), with(func(s *risk.State) { s.Equity, s.Position = *d("1"), *d("5") }), nil, "", "", ""},
		{"but not further than out", risk.Controls{MaxDailyLoss: n("1000")}, sells("6", "1"), with(func(s *risk.State) { s.Equity, s.Position = *d("1"), *d("5") }), nil, risk.MaxDailyLoss, "1000", "99999"},
		{"cash to the last cent", risk.Controls{MinCash: n("5000")}, buys("950", "100"), account(), nil, "", "", ""},
		{"cash below the minimum", risk.Controls{MinCash: n("5000")}, buys("950", "100.01"), account(), nil, risk.MinCash, "5000", "4990.5"},
		{"open buys hold cash", risk.Controls{MinCash: n("5000")}, buys("1", "100"), held(true, "950", "95000", false), nil, risk.MinCash, "5000", "4900"},
		{"so do filled ones until the snapshot shows them", risk.Controls{MinCash: n("5000")}, buys("1", "100"), held(true, "950", "95000", true), nil, risk.MinCash, "5000", "4900"},
		{"open sells don't", risk.Controls{MinCash: n("5000")}, buys("1", "100"), held(false, "950", "95000", false), nil, "", "", ""},
		{"selling needs no cash", risk.Controls{MinCash: n("5000")}, sells("1", "100"), with(func(s *risk.State) { s.Cash = *d("0") }), nil, "", "", ""},
		{"nor does buying back", risk.Controls{MinCash: n("5000")}, buys("5", "100"), with(func(s *risk.State) { s.Cash, s.Position = *d("0"), *d("-5") }), nil, "", "", ""},
		{"another order's cost is not known", risk.Controls{MinCash: n("5000")}, buys("1", ""), with(func(s *risk.State) {
			s.Holds = []risk.Hold{{Symbol: "MSFT", Buy: true, Qty: d("1")}}
		}), quote(), risk.MinCash + "?", "", ""},
		{"one in the same symbol is priced alike", risk.Controls{MinCash: n("5000")}, buys("1", ""), held(true, "940", "", false), quote(), risk.MinCash, "5000", "4959"},
		{"position at the cap", risk.Controls{MaxPositionQty: n("10")}, buys("5", "1"), holding("5"), nil, "", "", ""},
		{"position over the cap", risk.Controls{MaxPositionQty: n("10")}, buys("6", "1"), holding("5"), nil, risk.MaxPositionQty, "10", "11"},
		{"open buys count", risk.Controls{MaxPositionQty: n("10")}, buys("6", "1"), held(true, "5", "5", false), nil, risk.MaxPositionQty, "10", "11"},
		{"short over the cap", risk.Controls{MaxPositionQty: n("10")}, sells("16", "1"), holding("5"), nil, risk.MaxPositionQty, "10", "11"},
		{"over the cap, and on the way down", risk.Controls{MaxPositionQty: n("10")}, sells("5", "1"), holding("20"), nil, "", "", ""},
		{"position's value", risk.Controls{MaxPositionValue: n("1000")}, buys("6", "100"), holding("5"), nil, risk.MaxPositionValue, "1000", "1100"},
		{"concentration", risk.Controls{MaxConcentrationPercent: n("10")}, buys("101", "100"), account(), nil, risk.MaxConcentration, "10", "10.1"},
		{"the first of the window", risk.Controls{RepeatWindow: risk.Duration{Duration: time.Second}}, buys("1", "1"), account(), nil, "", "", ""},
		{"a repeat", risk.Controls{RepeatWindow: risk.Duration{Duration: time.Second}}, buys("1", "1"), with(func(s *risk.State) { s.Repeats = 1 }), nil, risk.RepeatedOrders, "0", "1"},
		{"session", risk.Controls{Sessions: []string{"pre"}}, buys("1", "1"), account(), nil, risk.Sessions, "", ""},
		{"crypto has none", risk.Controls{Sessions: []string{"pre"}}, risk.OrderOf(&alpaca.OrderRequest{Symbol: "BTC/USD", Side: "buy", Qty: d("1")}, false, true), account(), nil, "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			refusal := risk.Decide(&test.controls, &risk.Inputs{
				Order: test.order, Price: test.price, State: test.state, StateFresh: true, Phase: market.PhaseRegular,
			})
			got, limit, actual := "", "", ""
			if refusal != nil {
				got = refusal.Control
				if refusal.Unknown {
					got += "?"
				}
				if refusal.Limit != nil {
					limit, actual = refusal.Limit.String(), refusal.Actual.String()
				}
			}
			if got != test.want || limit != test.limit || actual != test.actual {
				t.Fatalf("got %q, limit %q, actual %q (%+v)", got, limit, actual, refusal)
			}
		})
	}
}

// TestFailsClosed: a control whose input is missing refuses.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	for name, controls := range map[string]risk.Controls{
		risk.MaxDailyLoss: {MaxDailyLoss: n("1")}, risk.MinCash: {MinCash: n("1")}, risk.MaxOpenOrders: {MaxOpenOrders: count(9)},
		risk.MaxPositionQty: {MaxPositionQty: n("9")},
	} {
		o := buys("1", "1")
		refusal := risk.Decide(&controls, &risk.Inputs{Order: o, Price: quote()})
		if refusal == nil || refusal.Control != name || !refusal.Unknown || !controls.NeedsState(&o) {
			t.Errorf("%s: %+v", name, refusal)
		}
	}
}

// TestHoldsAreReadBack: as sums, those in all symbols without those in the order's.
func TestHoldsAreReadBack(t *testing.T) {
	t.Parallel()
	got := risk.ParseState("20;1;2;3;-4;5;7;b|*|v;4;0;170.5;b|*|-;2;0;0;b|BTC|qv;2;3;20;b|BTC|q-;1;4;0;b|BTC|-v;1;0;50;s|BTC|--;1;0;0")
	var told []string
	for _, hold := range got.Holds {
		told = append(told, hold.Encode())
	}
	want := []string{"b|BTC|3|20", "b|BTC|4|", "b|BTC||50", "s|BTC||", "b|*||100.5", "b|*||"}
	if !slices.Equal(told, want) || got.Open != 7 || !got.Known || got.Repeats != 5 || got.Position.String() != "-4" {
		t.Fatalf("%q, %+v", told, got)
	}
	for _, nothing := range []string{"", "-1;1;2;3;;0;0", "20;1;2;;;0;0", "20;1;2;3;;0", "20;1;2;3;;0;1;", "20;1;2;3;;0;1;b|;1;1;1", "20;1;2;3;;0;1;b|*|v;one;1;1"} {
		if state := risk.ParseState(nothing); state.Known {
			t.Errorf("%q: %+v", nothing, state)
		}
	}
	if state := risk.ParseState("20;1;2;3;;0;0"); !state.Known || !state.Position.IsZero() || len(state.Holds) > 0 {
		t.Errorf("%+v", state)
	}
}
