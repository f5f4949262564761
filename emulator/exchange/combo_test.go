package exchange_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

const (
	mlegMarket = `"market"`
	oneUnit    = "1"
)

func debitSpread(qty, kind string) string {
	return mleg(qty, kind, leg(call270, "1", "buy_to_open"), leg(call280, "1", "sell_to_open"))
}

func creditSpread(qty, kind string) string {
	return mleg(qty, kind, leg(put260, "1", "sell_to_open"), leg(put250, "1", "buy_to_open"))
}

func TestDebitSpread(t *testing.T) {
	t.Parallel()
	f := trader(t)
	order := f.place(debitSpread("2", mlegMarket))
	expect(t, "status", order.Status, exchange.StatusFilled)
	expect(t, "net price", order.FilledAveragePrice().String(), "3.06") // 5.05 less 1.99
	expect(t, "cash", f.account.Cash().String(), "99388")
	expect(t, "long", f.position(call270), "2")
	expect(t, "short", f.position(call280), "-2")
	// The worst that can happen is that both expire.
	expect(t, "options buying power", f.account.Summary().NonMarginableBuyingPower.String(), "99388")
	_, err := f.try(option(call270, "sell", "1", atMarket))
	expectFailure(t, err, 403, 40310000, "account not eligible to trade uncovered option contracts")

	f.place(mleg("2", mlegMarket, leg(call270, "1", "sell_to_close"), leg(call280, "1", "buy_to_close")))
	expect(t, "positions", len(f.account.Positions()), 0)
	expect(t, "cash", f.account.Cash().String(), "99976")
}

func TestCreditSpread(t *testing.T) {
	t.Parallel()
	f := trader(t)
	order := f.place(creditSpread("1", `"limit","limit_price":"-2.00"`))
	expect(t, "status", order.Status, exchange.StatusNew)
	// The width of 10 less the credit of 2.
	expect(t, "options buying power", f.account.Summary().NonMarginableBuyingPower.String(), "99200")
	f.pinAt(put250, "0.95")
	order = f.get(order.ID)
	expect(t, "status", order.Status, exchange.StatusNew) // 0.96 - 2.95 is a cent too little
	f.pinAt(put250, "0.94")
	order = f.get(order.ID)
	expect(t, "status", order.Status, exchange.StatusFilled)
	expect(t, "net price", order.FilledAveragePrice().String(), "-2")
	summary := f.account.Summary()
	expect(t, "cash", summary.Cash.String(), "100200")
	expect(t, "options buying power", summary.NonMarginableBuyingPower.String(), "99200")
	f.price("255")
	f.at("2026-12-04T21:00:00Z") // the short put is assigned, the long one expires
	expect(t, "shares", f.position("AAPL"), "100")
	expect(t, "cash", f.account.Cash().String(), "74200")
}

func TestSpreadIsSettledTogether(t *testing.T) {
	t.Parallel()
	f := trader(t)
	f.place(debitSpread("20", mlegMarket)) // 540,000 USD of shares pass through the account
	f.price("290")
	f.at("2026-12-04T20:30:00Z")
	f.at("2026-12-04T21:00:00Z")
	expect(t, "positions", len(f.account.Positions()), 0)
	expect(t, "cash", f.account.Cash().String(), "113880") // 100,000 - 20 x 306 + 20 x 1,000
}

func TestComboRefusals(t *testing.T) {
	t.Parallel()
	long, short := leg(call270, "1", "buy_to_open"), leg(call280, "1", "sell_to_open")
	cases := []struct {
		name, body   string
		status, code int
		message      string
	}{
		{"one leg", mleg("1", mlegMarket, long), 422, 42210000, "mleg orders must have at least 2 legs and at most 4 legs"},
		{"five legs", mleg("1", mlegMarket, long, long, long, long, long), 422, 42210000, "mleg orders must have at least 2 legs and at most 4 legs"},
		{"no qty", `{"order_class":"mleg","time_in_force":"day","type":"market","legs":[` + long + `,` + short + `]}`, 422, 40010001, "qty or notional is required"},
		{"half a unit", mleg("0.5", mlegMarket, long, short), 422, 42210000, "qty must be integer for options trading"},
		{"no unit", mleg("0", mlegMarket, long, short), 422, 40010001, "qty must be > 0"},
		{"stop", mleg("1", `"stop","stop_price":"1"`, long, short), 422, 42210000, "invalid order type for options trading"},
		{"gtc", `{"order_class":"mleg","qty":1,"time_in_force":"gtc","type":"market","legs":[` + long + `,` + short + `]}`, 422, 42210000, "invalid time in force"},
		{"limit without price", mleg("1", `"limit"`, long, short), 422, 42210000, "limit price is required for limit orders"},
		{"market with price", mleg("1", `"market","limit_price":"1"`, long, short), 422, 42210000, "limit price is only valid for limit orders"},
		{"sub-penny", mleg("1", `"limit","limit_price":"1.005"`, long, short), 422, 42210000, "invalid limit price"},
		{"no intent", mleg("1", mlegMarket, long, `{"symbol":"`+call280+`","ratio_qty":"1","side":"sell"}`), 422, 42210000, "leg.1 position intent is required"},
		{"no ratio", mleg("1", mlegMarket, long, `{"symbol":"`+call280+`","position_intent":"sell_to_open"}`), 422, 42210000, "leg.1 ratio_qty must be a whole number > 0"},
		{"common divisor", mleg("1", mlegMarket, leg(call270, "2", "buy_to_open"), leg(call280, "2", "sell_to_open")), 422, 42210000, "greatest common divisor of the legs' ratio_qty must be 1"},
		{"one contract twice", mleg("1", mlegMarket, long, leg(call270, "2", "sell_to_open")), 422, 42210000, "rolling contracts ambiguity"},
		{"unknown contract", mleg("1", mlegMarket, long, leg("AAPL261204C00281234", "1", "sell_to_open")), 422, 42210000, "asset not found for AAPL261204C00281234"},
		{"a stock", mleg("1", mlegMarket, long, leg("AAPL", "1", "sell_to_open")), 422, 42210000, "equity legs are allowed only with a corresponding amount of call contracts"},
		{"two underlyings", mleg("1", mlegMarket, long, leg("MSFT261204C00470000", "1", "sell_to_open")), 422, 42210000, "underlying asset mismatch: AAPL != MSFT"},
		{"uncovered call", mleg("1", mlegMarket, long, leg(call280, "2", "sell_to_open")), 403, 40310000, "account not eligible to trade uncovered option contracts"},
		{"uncovered put", mleg("1", mlegMarket, leg(put260, "2", "sell_to_open"), leg(put250, "1", "buy_to_open")), 403, 40310000, "account not eligible to trade uncovered option contracts"},
		{"the long leg ends first", mleg("1", mlegMarket, long, leg("AAPL261211C00280000", "1", "sell_to_open")), 403, 40310000, "account not eligible to trade uncovered option contracts"},
		{"nothing to close", mleg("1", mlegMarket, leg(call270, "1", "sell_to_close"), leg(call280, "1", "buy_to_close")), 422, 42210000, "position intent mismatch, inferred: sell_to_open, specified: sell_to_close"},
		{"no money", creditSpread("200", `"limit","limit_price":"-1.00"`), 403, 40310000, "insufficient options buying power (required: 180000, available: 100000)"},
		{"symbol at the top", `{"symbol":"AAPL","order_class":"mleg","qty":1,"time_in_force":"day","type":"market","legs":[` + long + `,` + short + `]}`, 422, 40010001, "mleg orders must have symbol, side and position_intent in their legs only"},
		{"legs of a simple order", `{"symbol":"AAPL","side":"buy","qty":1,"time_in_force":"day","type":"market","legs":[` + long + `]}`, 422, 40010001, "legs are for mleg orders only"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := trader(t)
			_, err := f.try(c.body)
			expectFailure(t, err, c.status, c.code, c.message)
			expect(t, "accepted orders", len(f.account.Accepted()), 0)
		})
	}
}

// TestComboOnTheWire: the parent has what Alpaca's sample has, and its legs come with it, nested or not.
func TestComboOnTheWire(t *testing.T) {
	t.Parallel()
	f := trader(t)
	order := f.place(mleg("1", `"limit","limit_price":"14"`, leg(call270, "3", "buy_to_open"), leg(call280, "1", "sell_to_open")))
	var parent struct {
		AssetID    string  `json:"asset_id"`
		Symbol     *string `json:"symbol"`
		Class      string  `json:"order_class"`
		Side       *string `json:"side"`
		Intent     *string `json:"position_intent"`
		Average    string  `json:"filled_avg_price"`
		Expires    *string `json:"expires_at"`
		Ratio      *string `json:"ratio_qty"`
		AssetClass string  `json:"asset_class"`
		Legs       []struct {
			Symbol, Type, Qty, Side, Status string
			Ratio                           string  `json:"ratio_qty"`
			Intent                          string  `json:"position_intent"`
			Limit                           *string `json:"limit_price"`
			Class                           string  `json:"order_class"`
			Expires                         *string `json:"expires_at"`
			Legs                            *[]any
			Average                         string `json:"filled_avg_price"`
		}
	}
	if err := json.Unmarshal(order.Append(nil), &parent); err != nil {
		t.Fatal(err)
	}
	if parent.AssetID != "" || *parent.Symbol != "" || *parent.Side != "" || *parent.Intent != "" || parent.Class != "mleg" ||
		parent.Average != "13.16" || parent.Expires != nil || parent.Ratio != nil || parent.AssetClass != "" || len(parent.Legs) != 2 {
		t.Fatalf("parent = %s", order.Append(nil))
	}
	first := parent.Legs[0]
	if first.Symbol != call270 || first.Type != "" || first.Qty != "3" || first.Ratio != "3" || first.Intent != "buy_to_open" || first.Limit != nil ||
		first.Class != "mleg" || first.Expires == nil || first.Legs != nil || first.Status != "filled" || first.Average != "5.05" {
		t.Fatalf("leg = %+v", first)
	}
	listed, err := f.account.Orders(exchange.Filter{Status: "all", Limit: 10, Symbols: []string{"AAPL"}, Classes: []asset.Class{asset.Option}})
	if err != nil || len(listed) != 1 || len(listed[0].Legs) != 2 {
		t.Fatalf("listed = %+v, %v", listed, err)
	}
	subscription := f.account.Subscribe(exchange.Position{Since: time.Unix(1, 0)})
	defer subscription.Close()
	events, _ := subscription.Take(10)
	var fill struct {
		Event     string
		Qty       string
		Price     string
		Position  *string           `json:"position_qty"`
		Positions map[string]string `json:"position_qtys"`
		Legs      []struct {
			ExecutionID string `json:"execution_id"`
			OrderID     string `json:"order_id"`
			Qty, Price  string
			Symbol      string
			Timestamp   string
		}
		Order struct {
			AssetID string `json:"asset_id"`
			Legs    []struct{ Status string }
		}
	}
	if err := json.Unmarshal(events[len(events)-1].Append(nil, ""), &fill); err != nil {
		t.Fatal(err)
	}
	if fill.Event != "fill" || fill.Qty != "1" || fill.Price != "13.16" || fill.Position != nil || fill.Positions[call270] != "3" ||
		fill.Positions[call280] != "-1" || len(fill.Legs) != 2 || fill.Legs[0].Qty != "3" || fill.Legs[1].Price != "1.99" ||
		fill.Legs[0].OrderID != listed[0].Legs[0].ID || fill.Legs[0].ExecutionID == "" || fill.Legs[0].Timestamp == "" ||
		fill.Order.AssetID != "00000000-0000-0000-0000-000000000000" || fill.Order.Legs[1].Status != "filled" {
		t.Fatalf("event = %s", events[len(events)-1].Append(nil, ""))
	}
	activities := f.account.Activities(exchange.ActivityFilter{PageSize: 10, OrderID: order.ID})
	if len(activities) != 2 || activities[0].ID() == activities[1].ID() {
		t.Fatalf("activities = %s", activities[0].Append(nil))
	}
}

func TestComboLegsFillInRatio(t *testing.T) {
	t.Parallel()
	f := newFloor(t, session.Real, exchange.Settings{FillLatency: -1, PartialFillProbability: 0.9}, "100000")
	f.price("270")
	f.pinAt(call270, "5")
	f.pinAt(call280, "2")
	order := f.place(mleg("12", mlegMarket, leg(call270, "3", "buy_to_open"), leg(call280, "2", "sell_to_open")))
	expect(t, "status", order.Status, exchange.StatusFilled)
	if names := f.events(); !slices.Contains(names, "partial_fill") {
		t.Errorf("events = %v", names)
	}
	subscription := f.account.Subscribe(exchange.Position{Since: time.Unix(1, 0)})
	defer subscription.Close()
	events, _ := subscription.Take(100)
	for _, event := range events {
		long, short := event.Order.Legs[0].FilledQty, event.Order.Legs[1].FilledQty
		if units := event.Order.FilledQty; !long.Equal(units.Mul64(3)) || !short.Equal(units.Mul64(2)) {
			t.Errorf("%s: %s units, %s and %s contracts", event.Name, units, long, short)
		}
	}
}

func TestComboCancelAndReplace(t *testing.T) {
	t.Parallel()
	f := trader(t)
	order := f.place(debitSpread("2", `"limit","limit_price":"2.50"`))
	part := order.Legs[0].ID
	expectFailure(t, f.account.Cancel(part), 422, 42210000, "leg order is already in new state")
	_, err := f.account.Replace(part, exchange.ReplaceRequest{LimitPrice: amountOf("2.6")})
	expectFailure(t, err, 422, 42210000, "leg order is already in new state")
	_, err = f.account.Replace(order.ID, exchange.ReplaceRequest{LimitPrice: amountOf("2.505")})
	expectFailure(t, err, 422, 42210000, "invalid limit price")
	answer, err := f.account.Replace(order.ID, exchange.ReplaceRequest{LimitPrice: amountOf("2.60"), Qty: amountOf("3")})
	if err != nil {
		t.Fatal(err)
	}
	old, replacement := f.get(order.ID), f.get(answer.ID)
	expect(t, "old", old.Status, exchange.StatusReplaced)
	expect(t, "old leg", old.Legs[1].Status, exchange.StatusReplaced)
	expect(t, "successor of the leg", old.Legs[1].ReplacedBy, replacement.Legs[1].ID)
	expect(t, "new", replacement.Status, exchange.StatusNew)
	expect(t, "leg quantity", replacement.Legs[0].Qty.String(), "3")
	expect(t, "options buying power", f.account.Summary().NonMarginableBuyingPower.String(), "99220")
	if err := f.account.Cancel(replacement.ID); err != nil {
		t.Fatal(err)
	}
	leg := f.get(replacement.Legs[0].ID)
	expect(t, "leg", leg.Status, exchange.StatusCanceled)
	expect(t, "options buying power", f.account.Summary().NonMarginableBuyingPower.String(), "100000")
	expectFailure(t, f.account.Cancel(replacement.ID), 422, 42210000, `order is already in "canceled" state`)
}

// TestRollingAShortCall closes a covered call and opens the next: the shares cover both.
func TestRollingAShortCall(t *testing.T) {
	t.Parallel()
	f := trader(t)
	const next = "AAPL261211C00280000"
	f.pinAt(next, "3")
	f.place(`{"symbol":"AAPL","qty":100,"side":"buy","type":"market","time_in_force":"day"}`)
	f.place(option(call280, "sell", "1", atMarket))
	roll := f.place(mleg(oneUnit, `"limit","limit_price":"-0.90"`, leg(call280, "1", "buy_to_close"), leg(next, "1", "sell_to_open")))
	expect(t, "status", roll.Status, exchange.StatusFilled)
	expect(t, "old call", f.position(call280), "flat")
	expect(t, "next call", f.position(next), "-1")
}

func TestCombosSurviveARestore(t *testing.T) {
	t.Parallel()
	f := trader(t)
	f.place(debitSpread("1", mlegMarket))
	open := f.place(creditSpread("1", `"limit","limit_price":"-2.00"`))
	f.place(`{"symbol":"AAPL","qty":100,"side":"buy","type":"market","time_in_force":"day"}`)
	f.place(option(put250, "buy", "1", atMarket))
	f.account.CancelAll()
	f.place(creditSpreadOver(t, f))
	before := f.saved()
	f.account.CloseAll(true)
	f.restore(before)
	expect(t, "state", f.saved(), before)
	expect(t, "canceled", f.get(open.ID).Legs[0].Status, exchange.StatusCanceled)
	f.price("300")
	f.at("2026-12-04T21:00:00Z")
	expect(t, "calls", f.position(call270), "flat")
	f.restoreRefuses(t, before)
}

// creditSpreadOver is an open multi-leg order on what is held already.
func creditSpreadOver(t *testing.T, f *floor) string {
	t.Helper()
	expect(t, "position", f.position(put250), "1")
	return mleg("1", `"limit","limit_price":"-2.00"`, leg(put260, "1", "sell_to_open"), leg(put250, "1", "buy_to_open"))
}

func (f *floor) restoreRefuses(t *testing.T, text string) {
	t.Helper()
	var state exchange.SavedState
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		t.Fatal(err)
	}
	orders := state.Accounts[0].Orders
	at := slices.IndexFunc(orders, func(o exchange.SavedOrder) bool { return o.Terms.Parent != "" })
	orders[at].Terms.Parent = "nobody"
	if err := f.exchange.Restore(state); err == nil {
		t.Error("a leg without a parent was restored")
	}
}

// TestIronCondor: only one of both sides can lose, so the wider one counts.
func TestIronCondor(t *testing.T) {
	t.Parallel()
	f := trader(t)
	const call290 = "AAPL261204C00290000"
	f.pinAt(call290, "1")
	order := f.place(mleg("1", `"limit","limit_price":"-2.50"`, leg(put250, "1", "buy_to_open"), leg(put260, "1", "sell_to_open"),
		leg(call280, "1", "sell_to_open"), leg(call290, "1", "buy_to_open")))
	expect(t, "status", order.Status, exchange.StatusFilled)
	expect(t, "net price", order.FilledAveragePrice().String(), "-2.92")
	power := f.account.Summary().NonMarginableBuyingPower
	expect(t, "options buying power", power.String(), decimal.FromInt(100_000+292-1000).String())
}
