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
