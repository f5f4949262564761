package exchange_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
)

// daily are the activities that are no trade, in order: type, symbol, quantity, net amount.
func (f *floor) daily() []string {
	f.t.Helper()
	list := f.account.Activities(exchange.ActivityFilter{Category: "non_trade_activity", Ascending: true, PageSize: 100})
	lines := make([]string, 0, len(list))
	for _, activity := range list {
		var fields struct {
			Symbol    string `json:"symbol"`
			Qty       string `json:"qty"`
			NetAmount string `json:"net_amount"`
		}
		if err := json.Unmarshal(activity.Append(nil), &fields); err != nil {
			f.t.Fatal(err)
		}
		lines = append(lines, strings.Join([]string{activity.Type(), fields.Symbol, fields.Qty, fields.NetAmount}, " "))
	}
	return lines
}

func (f *floor) expectDaily(want ...string) {
	f.t.Helper()
	if got := f.daily(); !slices.Equal(got, want) {
		f.t.Errorf("activities = %q, want %q", got, want)
	}
}

// TestIndexOptionsSettleInCash: Alpaca's own example, and its mirror images: nothing but money moves, at the moment that the
// product has, and nobody is asked whether the account could pay for shares.
func TestIndexOptionsSettleInCash(t *testing.T) {
	t.Parallel()
	const tooEarly, open, closing = "2026-12-18T14:29:59Z", "2026-12-18T14:30:00Z", "2026-12-18T21:00:00Z"
	cases := []struct {
		name, bought, sold string
		index, value       string // at the end
		early, end         string
		activities         []string
		cash               string
	}{
		{
			"a call in the morning", morningCall, "", "SPX", "6632", tooEarly, open,
			[]string{"OPEXC " + morningCall + " -1 0", "OPCSH " + morningCall + " 0 3200"}, "101195",
		},
		{
			"a call in the morning, without a value", morningCall, "", "SPX", "6600", tooEarly, open,
			[]string{"OPEXP " + morningCall + " -1 0"}, "97995",
		},
		{
			"a put at the close", closingPut, "", "XSP", "640", "2026-12-18T20:59:59Z", closing,
			[]string{"OPEXC " + closingPut + " -1 0", "OPCSH " + closingPut + " 0 2000"}, "99995",
		},
		{
			"a put that was sold", "", closingPut, "XSP", "640", "2026-12-18T20:59:59Z", closing,
			[]string{"OPASN " + closingPut + " 1 0", "OPCSH " + closingPut + " 0 -2000"}, "99995",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := instant(t)
			f.pinAt("SPX", "6600")
			f.pinAt("XSP", "660")
			f.pinAt(morningCall, "20")
			f.pinAt(closingPut, "20")
			symbol := c.bought
			if c.bought != "" {
				f.place(option(c.bought, "buy", "1", atMarket))
			} else {
				symbol = c.sold
				f.place(option(c.sold, "sell", "1", atMarket))
			}
			f.pinAt(c.index, c.value)
			f.at(c.early)
			if f.position(symbol) == "flat" {
				t.Error("settled too early")
			}
			f.at(c.end)
			expect(t, "position", f.position(symbol), "flat")
			expect(t, "positions", len(f.account.Positions()), 0)
			f.expectDaily(c.activities...)
			expect(t, "cash", f.account.Cash().String(), c.cash)
		})
	}
}

// TestIndexSpread: short contracts on an index are covered by long ones with the same end only, because no shares exist, and a
// contract that ends in the morning covers none that ends at the close.
func TestIndexSpread(t *testing.T) {
	t.Parallel()
	f := instant(t)
	const higher = "SPXW261218C06700000"
	f.pinAt("SPX", "6600")
	for symbol, price := range map[string]string{closingCall: "90", higher: "40", morningCall: "85"} {
		f.pinAt(symbol, price)
	}
	_, err := f.try(mleg("1", `"market"`, leg(morningCall, "1", "buy_to_open"), leg(higher, "1", "sell_to_open")))
	expectFailure(t, err, 403, 40310000, "account not eligible to trade uncovered option contracts")
	f.place(mleg("1", `"market"`, leg(closingCall, "1", "sell_to_open"), leg(higher, "1", "buy_to_open")))
	summary := f.account.Summary()
	expect(t, "margin", summary.MaintenanceMargin.Sub(summary.LongMarketValue).Sub(summary.ShortMarketValue).String(), "10000")
	f.pinAt("SPX", "6900")
	f.at("2026-12-18T21:00:00Z")
	expect(t, "cash", f.account.Cash().String(), "94990") // 100000 + 4990 of premium - 10000
}

// TestAdjustedContractDelivers: what a corporate action made of a contract is delivered in all its parts, and paid with the
// strike once.
func TestAdjustedContractDelivers(t *testing.T) {
	t.Parallel()
	const call = "T1261218C00025000"
	f := instant(t)
	f.pinAt("T", "26")
	f.pinAt("WBD", "25")
	f.pinAt(call, "7")
	f.place(option(call, "buy", "2", atMarket))
	f.at("2026-12-18T20:59:00Z")
	f.at("2026-12-18T21:00:00Z")
	f.expectDaily("OPEXC "+call+" -2 0", "OPTRD T 200 -4100", "OPTRD WBD 48 -900", "OPCSH "+call+" 0 25")
	expect(t, "T", f.position("T"), "200")
	expect(t, "WBD", f.position("WBD"), "48")
	expect(t, "cash", f.account.Cash().String(), "93615") // 100000 - 1410 - 5000 + 25

	// 26 + 24 x 25 / 100 + 0.125 is what a contract is worth a share: no more than its strike.
	f = instant(t)
	f.pinAt("T", "26")
	f.pinAt("WBD", "25")
	const worthless = "T1261218C00033000"
	f.pinAt(worthless, "1")
	f.place(option(worthless, "buy", "1", atMarket))
	f.at("2026-12-18T21:00:00Z")
	f.expectDaily("OPEXP " + worthless + " -1 0")
}

// TestAdjustedContractsStandAlone: neither shares of the underlying nor its ordinary contracts cover them, and a put whose
// shares the account lacks is sold in time.
func TestAdjustedContractsStandAlone(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.pinAt("T", "26")
	f.pinAt("WBD", "25")
	f.place(`{"symbol":"T","qty":500,"side":"buy","type":"market","time_in_force":"day"}`)
	const call, put = "T1261218C00026000", "T1261218P00034000"
	_, err := f.try(option(call, "sell", "1", atMarket))
	expectFailure(t, err, 403, 40310000, "account not eligible to trade uncovered option contracts")
	f.pinAt(put, "3")
	f.place(option(put, "buy", "2", atMarket))
	f.place(`{"symbol":"WBD","qty":24,"side":"buy","type":"market","time_in_force":"day"}`)
	f.at("2026-12-18T20:30:00Z")
	expect(t, "puts", f.position(put), "1") // one can be delivered
	f.at("2026-12-18T21:00:00Z")
	expect(t, "T", f.position("T"), "400")
	expect(t, "WBD", f.position("WBD"), "flat")
}

// TestCommission: on an account that may have commissions, an order's is taken once, with its first fill.
func TestCommission(t *testing.T) {
	t.Parallel()
	f := newFloor(t, session.Real, exchange.Settings{FillLatency: -1, PartialFillProbability: 1}, "100000")
	f.note(f.account.Restrict(exchange.Restriction{}, exchange.Privilege{Commission: true}))
	f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day","commission":"2.50"}`)
	f.expectDaily("FEE AAPL 0 -2.5")
	expect(t, "cash", f.account.Cash().String(), "98997.4")
	f.price("270")
	f.pinAt(call270, "5")
	f.pinAt(call280, "2")
	spread := mleg("1", `"market"`, leg(call270, "1", "buy_to_open"), leg(call280, "1", "sell_to_open"))
	f.place(strings.Replace(spread, `"qty"`, `"commission":"1.30","qty"`, 1))
	waiting := mleg("1", `"limit","limit_price":"0.50"`, leg(call270, "1", "buy_to_open"), leg(call280, "1", "sell_to_open"))
	f.place(strings.Replace(waiting, `"qty"`, `"commission":"1.30","qty"`, 1))
	f.expectDaily("FEE AAPL 0 -2.5", "FEE "+call270+" 0 -1.3")
	before := f.saved()
	f.exchange.Reset()
	f.restore(before)
	expect(t, "restored", f.saved(), before)
	f.pinAt(call270, "2.30")
	f.exchange.Sweep()
	f.expectDaily("FEE AAPL 0 -2.5", "FEE "+call270+" 0 -1.3", "FEE "+call270+" 0 -1.3")
}

// TestRestoreKeepsRestrictions: what staff decided, marked stocks, index options and day trades survive a snapshot.
func TestRestoreKeepsRestrictions(t *testing.T) {
	t.Parallel()
	f := worldWith("20000", formerRule)(t)
	f.pinAt("XSP", "660")
	f.pinAt(closingPut, "1")
	f.place(option(closingPut, "buy", "1", atMarket))
	f.dayTrade(2)
	f.note(f.account.Restrict(exchange.Restriction{
		MultiLegDisabled: []string{"cancel"}, OptionsRefused: []string{"DJX"}, AssignmentLocks: []string{closingPut},
	}, exchange.Privilege{AdvancedInstructions: true}))
	f.note(f.exchange.Offer("F"))
	f.note(f.exchange.MakeHardToBorrow("AAPL"))
	before := f.saved()
	f.exchange.Reset()
	if f.saved() == before {
		t.Fatal("a reset changed nothing")
	}
	f.restore(before)
	expect(t, "restored", f.saved(), before)
	for _, wrong := range []exchange.Restriction{
		{MultiLegDisabled: []string{"other"}}, {OptionsRefused: []string{"NOSUCH"}}, {AssignmentLocks: []string{"AAPL"}},
	} {
		if err := f.account.Restrict(wrong, exchange.Privilege{}); err == nil {
			t.Errorf("%+v was taken", wrong)
		}
	}
	expect(t, "after refusals", f.saved(), before)
}
