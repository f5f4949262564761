package risk_test

import (
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
)

func optionLeg(symbol, intent, ratio string) alpaca.OrderLeg {
	side := alpaca.SideBuy
	if intent[0] == 's' {
		side = alpaca.SideSell
	}
	return alpaca.OrderLeg{Symbol: symbol, Side: side, PositionIntent: intent, RatioQty: d(ratio)}
}

// TestMultiLegOrder: its value is the most that it can lose, its quantity the contracts of its largest leg.
func TestMultiLegOrder(t *testing.T) {
	t.Parallel()
	const low, mid, high = "AAPL270115C00150000", "AAPL270115C00155000", "AAPL270115C00160000"
	const lowPut, highPut = "AAPL270115P00140000", "AAPL270115P00145000"
	open := func(legs ...alpaca.OrderLeg) []alpaca.OrderLeg { return legs }
	tests := []struct {
		name, limit, value, contracts string
		legs                          []alpaca.OrderLeg
	}{
		{"debit spread", "2", "400", "2", open(optionLeg(low, "buy_to_open", "1"), optionLeg(mid, "sell_to_open", "1"))},
		{"credit spread", "-1.5", "700", "2", open(optionLeg(low, "sell_to_open", "1"), optionLeg(mid, "buy_to_open", "1"))},
		{"butterfly", "0.5", "100", "4", open(optionLeg(low, "buy_to_open", "1"), optionLeg(mid, "sell_to_open", "2"), optionLeg(high, "buy_to_open", "1"))},
		{"iron condor", "-2", "600", "2", open(optionLeg(lowPut, "buy_to_open", "1"), optionLeg(highPut, "sell_to_open", "1"),
			optionLeg(mid, "sell_to_open", "1"), optionLeg(high, "buy_to_open", "1"))},
		{"a close is worth its price", "-3", "600", "2", open(optionLeg(low, "sell_to_close", "1"), optionLeg(mid, "buy_to_close", "1"))},
	}
	for _, test := range tests {
		o := risk.OrderOf(&alpaca.OrderRequest{Type: "limit", Qty: d("2"), LimitPrice: d(test.limit), Legs: test.legs}, true, false)
		for control, c := range map[string]struct {
			limit    string
			controls risk.Controls
		}{
			risk.MaxOrderValue: {test.value, risk.Controls{MaxOrderValue: n("0.01")}},
			risk.MaxOrderQty:   {test.contracts, risk.Controls{MaxOrderQty: n("0.01")}},
		} {
			got := risk.Decide(&c.controls, &risk.Inputs{Order: o, State: account()})
			if got == nil || got.Control != control || got.Actual == nil || !got.Actual.Equal(*d(c.limit)) {
				t.Errorf("%s: %s: %+v, want %s", test.name, control, got, c.limit)
			}
		}
		for _, restricted := range []string{"AAPL", test.legs[1].Symbol} {
			got := risk.Decide(&risk.Controls{RestrictedSymbols: []string{restricted}}, &risk.Inputs{Order: o, State: account()})
			if got == nil || got.Control != risk.RestrictedSymbols {
				t.Errorf("%s: %s is restricted: %+v", test.name, restricted, got)
			}
		}
	}
}

// TestMultiLegOrderMeetsItsLegsQuotes: the collar and orders at the market look at what the legs come to, bought at the ask and
// sold at the bid, each as often as its ratio.
func TestMultiLegOrderMeetsItsLegsQuotes(t *testing.T) {
	t.Parallel()
	const low, mid, high = "AAPL270115C00150000", "AAPL270115C00155000", "AAPL270115C00160000"
	debit := []alpaca.OrderLeg{optionLeg(low, "buy_to_open", "1"), optionLeg(mid, "sell_to_open", "1")}
	credit := []alpaca.OrderLeg{optionLeg(low, "sell_to_open", "1"), optionLeg(mid, "buy_to_open", "1")}
	butterfly := []alpaca.OrderLeg{optionLeg(low, "buy_to_open", "1"), optionLeg(mid, "sell_to_open", "2"), optionLeg(high, "buy_to_open", "1")}
	quotes := func(texts ...string) *risk.Price {
		price := &risk.Price{}
		for i := 0; i < len(texts); i += 2 {
			price.Legs = append(price.Legs, &risk.Price{Bid: d(texts[i]), Ask: d(texts[i+1])})
		}
		return price
	}
	collar, value, cash := risk.Controls{PriceCollarPercent: n("5")}, risk.Controls{MaxOrderValue: n("400")}, risk.Controls{MinCash: n("5000")}
	tests := []struct {
		name         string
		controls     risk.Controls
		legs         []alpaca.OrderLeg
		limit        string
		price        *risk.Price
		want, actual string
	}{
		{"a debit at the quotes", collar, debit, "2.1", quotes("4.9", "5", "3", "3.1"), "", ""}, // 5 - 3 = 2, and 5 % of it
		{"a debit above them", collar, debit, "2.11", quotes("4.9", "5", "3", "3.1"), risk.PriceCollar, "5.5"},
		{"a debit far below them waits", collar, debit, "0.5", quotes("4.9", "5", "3", "3.1"), "", ""},
		{"a credit at the quotes", collar, credit, "-1.71", quotes("4.9", "5", "3", "3.1"), "", ""}, // 3.1 - 4.9 = -1.8
		{"a credit too small", collar, credit, "-1.7", quotes("4.9", "5", "3", "3.1"), risk.PriceCollar, "5.5556"},
		{"a debit where a credit is due", collar, credit, "1", quotes("4.9", "5", "3", "3.1"), risk.PriceCollar, "155.5556"},
		{"ratios count", collar, butterfly, "1.05", quotes("4.9", "5", "3", "3.1", "1.9", "2"), "", ""}, // 5 - 6 + 2 = 1
		{"ratios count, above", collar, butterfly, "1.06", quotes("4.9", "5", "3", "3.1", "1.9", "2"), risk.PriceCollar, "6"},
		{"nothing is within a percentage of 0", collar, debit, "0.01", quotes("4.9", "5", "5", "5.1"), risk.PriceCollar, ""},
		{"a leg without a bid", collar, debit, "2", quotes("4.9", "5", "", "3.1"), risk.PriceCollar + "?", ""},
		{"a leg whose other side is missing", collar, debit, "2", quotes("", "5", "3", ""), "", ""},
		{"a leg without a quote", collar, debit, "2", &risk.Price{Legs: []*risk.Price{{Bid: d("4.9"), Ask: d("5")}, nil}}, risk.PriceCollar + "?", ""},
		{"no quotes at all", collar, debit, "2", nil, risk.PriceCollar + "?", ""},
		{"at the market it is worth its quotes", value, debit, "", quotes("4.9", "5", "3", "3.1"), "", ""},
		{"at the market, above", value, debit, "", quotes("4.9", "5.01", "3", "3.1"), risk.MaxOrderValue, "402"},
		{"at the market a credit can lose the rest", value, credit, "", quotes("4.9", "5", "3", "3.1"), risk.MaxOrderValue, "640"}, // (5 - 1.8) x 200
		{"at the market without a quote", value, debit, "", nil, risk.MaxOrderValue + "?", ""},
		{"cash for a debit at the market", cash, debit, "", quotes("4.9", "480", "3", "3.1"), risk.MinCash, "4600"},
		{"a credit at the market needs none", cash, credit, "", quotes("480", "481", "3", "3.1"), "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := risk.OrderOf(&alpaca.OrderRequest{Type: "limit", Qty: d("2"), LimitPrice: d(test.limit), Legs: test.legs}, true, false)
			if !test.controls.NeedsPrice(&o) && test.limit == "" {
				t.Error("nobody would look for the quotes")
			}
			o.Buy = o.Pays(test.price)
			got := risk.Decide(&test.controls, &risk.Inputs{Order: o, Price: test.price, State: account(), StateFresh: true})
			control := ""
			if got != nil {
				if control = got.Control; got.Unknown {
					control += "?"
				}
			}
			if control != test.want || test.actual != "" && (got.Actual == nil || got.Actual.String() != test.actual) {
				t.Fatalf("%+v, want %s %s", got, test.want, test.actual)
			}
		})
	}
}

// TestPositionsOfLegs: each leg counts for the position in its symbol like an order of its own.
func TestPositionsOfLegs(t *testing.T) {
	t.Parallel()
	const low, mid = "AAPL270115C00150000", "AAPL270115C00155000"
	price := &risk.Price{Legs: []*risk.Price{{Bid: d("4.9"), Ask: d("5")}, {Bid: d("3"), Ask: d("3.1")}}}
	open := []alpaca.OrderLeg{optionLeg(low, "buy_to_open", "1"), optionLeg(mid, "sell_to_open", "2")}
	leg := func(position string, holds ...risk.Hold) risk.State {
		return with(func(s *risk.State) { s.Position, s.Holds = *d(position), holds })
	}
	sold := risk.Hold{Symbol: mid, Qty: d("3"), Value: d("0")}
	tests := []struct {
		name         string
		controls     risk.Controls
		first, other risk.State
		want, actual string
	}{
		{"at the cap", risk.Controls{MaxPositionQty: n("4")}, leg("0"), leg("0"), "", ""},
		{"the larger leg is over it", risk.Controls{MaxPositionQty: n("3")}, leg("0"), leg("0"), risk.MaxPositionQty, "4"},
		{"a position counts", risk.Controls{MaxPositionQty: n("4")}, leg("3"), leg("0"), risk.MaxPositionQty, "5"},
		{"open orders count", risk.Controls{MaxPositionQty: n("6")}, leg("0"), leg("0", sold), risk.MaxPositionQty, "7"},
		{"a leg that reduces does not", risk.Controls{MaxPositionQty: n("2")}, leg("0"), leg("9"), "", ""},
		{"value", risk.Controls{MaxPositionValue: n("1100")}, leg("0"), leg("0"), risk.MaxPositionValue, "1200"},
		{"share of the equity", risk.Controls{MaxConcentrationPercent: n("1.1")}, leg("0"), leg("0"), risk.MaxConcentration, "1.2"},
		{"one leg is not known", risk.Controls{MaxPositionQty: n("9")}, leg("0"), risk.State{}, risk.MaxPositionQty + "?", ""},
		{"a loss, and both legs reduce", risk.Controls{MaxDailyLoss: n("0")}, leg("-9"), leg("9"), "", ""},
		{"a loss, and one leg does not", risk.Controls{MaxDailyLoss: n("0")}, leg("-9"), leg("0"), risk.MaxDailyLoss, "0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			state := account()
			state.Legs = []risk.State{test.first, test.other}
			o := risk.OrderOf(&alpaca.OrderRequest{Type: "limit", Qty: d("2"), LimitPrice: d("1"), Legs: open}, true, false)
			got := risk.Decide(&test.controls, &risk.Inputs{Order: o, Price: price, State: state, StateFresh: true})
			control := ""
			if got != nil {
				if control = got.Control; got.Unknown {
					control += "?"
				}
			}
			if control != test.want || test.actual != "" && got.Actual.String() != test.actual {
				t.Fatalf("%+v, want %s %s", got, test.want, test.actual)
			}
		})
	}
	holds := func() []risk.Hold {
		o := risk.OrderOf(&alpaca.OrderRequest{Qty: d("2"), Legs: open}, true, false)
		return o.LegHolds()
	}()
	if len(holds) != 2 || holds[0].Encode() != "B|"+low+"|2|0" || holds[1].Encode() != "S|"+mid+"|4|0" {
		t.Fatalf("%+v", holds)
	}
}
