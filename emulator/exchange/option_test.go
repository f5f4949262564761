package exchange_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Contracts on AAPL that expire on Friday, December 4th, 2026; pinAt quotes one a tick around its price: five cents from three dollars on.
const (
	call270 = "AAPL261204C00270000"
	call280 = "AAPL261204C00280000"
	put260  = "AAPL261204P00260000"
	put250  = "AAPL261204P00250000"
)

// trader is a floor where AAPL is at 270 and the contracts have round prices.
func trader(t *testing.T) *floor {
	t.Helper()
	f := instant(t)
	f.price("270")
	for symbol, price := range map[string]string{call270: "5", call280: "2", put260: "3", put250: "1"} {
		f.pinAt(symbol, price)
	}
	return f
}

func (f *floor) pinAt(symbol, price string) {
	f.market.Pin(symbol, decimal.MustParse(price))
	f.exchange.SweepSymbol(symbol)
}

func (f *floor) level(level string) {
	f.t.Helper()
	if _, err := f.account.Configure([]byte(`{"max_options_trading_level":` + level + `}`)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *floor) at(moment string) {
	f.t.Helper()
	when, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		f.t.Fatal(err)
	}
	f.clock.Set(when)
	f.exchange.Sweep()
}

// position is a quantity, or "flat".
func (f *floor) position(symbol string) string {
	f.t.Helper()
	held, err := f.account.Position(symbol)
	if err != nil {
		return "flat"
	}
	return held.Qty.String()
}

func option(symbol, side, qty, rest string) string {
	return `{"symbol":"` + symbol + `","qty":"` + qty + `","side":"` + side + `","time_in_force":"day",` + rest + `}`
}

const atMarket = `"type":"market"`

func TestLongCall(t *testing.T) {
	t.Parallel()
	f := trader(t)
	order := f.place(option(call270, "buy", "2", atMarket))
	expect(t, "status", order.Status, exchange.StatusFilled)
	expect(t, "average price", order.FilledAveragePrice().String(), "5.05")
	expect(t, "cash", f.account.Cash().String(), "98990")
	held, err := f.account.Position(call270)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "cost", held.CostBasis.String(), "1010")
	expect(t, "entry", held.AverageEntryPrice.String(), "5.05")
	expect(t, "market value", held.MarketValue.String(), "1000")
	var fields map[string]any
	if err := json.Unmarshal(held.Append(nil), &fields); err != nil {
		t.Fatal(err)
	}
	expect(t, "exchange", fields["exchange"], any(""))
	expect(t, "class", fields["asset_class"], any("us_option"))
	if text := string(order.Append(nil)); !strings.Contains(text, `"order_class":"simple"`) {
		t.Errorf("order = %s", text)
	}
	summary := f.account.Summary()
	expect(t, "equity", summary.Equity.String(), "99990")
	expect(t, "buying power", summary.BuyingPower.String(), "395960") // nothing is lent on options
	expect(t, "options buying power", summary.NonMarginableBuyingPower.String(), "98990")

	f.place(option(call270, "sell", "2", atMarket))
	expect(t, "cash", f.account.Cash().String(), "99980")
	expect(t, "position", f.position(call270), "flat")
}

func TestOptionOrderHoldsItsPremium(t *testing.T) {
	t.Parallel()
	f := trader(t)
	order := f.place(option(call270, "buy", "3", `"type":"limit","limit_price":"4.50"`))
	expect(t, "status", order.Status, exchange.StatusNew)
	expect(t, "options buying power", f.account.Summary().NonMarginableBuyingPower.String(), "98650")
	f.pinAt(call270, "4.45")
	expect(t, "status", f.get(order.ID).Status, exchange.StatusFilled)
	expect(t, "cash", f.account.Cash().String(), "98650")
}

func TestCoveredCall(t *testing.T) {
	t.Parallel()
	f := trader(t)
	f.place(`{"symbol":"AAPL","qty":150,"side":"buy","type":"market","time_in_force":"day"}`)
	f.place(option(call280, "sell", "1", atMarket))
	expect(t, "short call", f.position(call280), "-1")
	held, err := f.account.Position("AAPL")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "free shares", held.QtyAvailable.String(), "50")
	_, err = f.try(`{"symbol":"AAPL","qty":51,"side":"sell","type":"market","time_in_force":"day"}`)
	expectFailure(t, err, 403, 40310000, "insufficient qty available for order (requested: 51, available: 50)")
	_, err = f.try(option(call280, "sell", "1", atMarket))
	expectFailure(t, err, 403, 40310000, "insufficient underlying qty available for covered call (required: 100, available: 50)")
	for _, part := range []string{`"available_qty":"50"`, `"required_qty":"100"`, `"symbol":"` + call280 + `"`, `"underlying_asset_id":"`} {
		if text := string(wire.ErrorOf(err).Append(nil)); !strings.Contains(text, part) {
			t.Errorf("%s has no %s", text, part)
		}
	}
	f.place(option(call280, "buy", "1", atMarket))
	f.place(`{"symbol":"AAPL","qty":150,"side":"sell","type":"market","time_in_force":"day"}`)
	expect(t, "positions", len(f.account.Positions()), 0)
}

// TestCloseAllKeepsCallsCovered: at night Alpaca takes orders to close shares and none to close options, so the shares that a short
// call needs stay until it is bought back.
func TestCloseAllKeepsCallsCovered(t *testing.T) {
	t.Parallel()
	f := trader(t)
	f.place(`{"symbol":"AAPL","qty":150,"side":"buy","type":"market","time_in_force":"day"}`)
	f.place(option(call280, "sell", "1", atMarket))
	f.at(lateHour)
	f.account.CloseAll(true)
	f.at("2026-11-24T15:00:00Z")
	expect(t, "shares", f.position("AAPL"), "100")
	expect(t, "short call", f.position(call280), "-1")
	f.place(option(call280, "buy", "1", atMarket))
	f.exchange.Sweep()
	expect(t, "shares", f.position("AAPL"), "flat")

	f = trader(t)
	f.place(`{"symbol":"AAPL","qty":150,"side":"buy","type":"market","time_in_force":"day"}`)
	f.place(option(call280, "sell", "1", atMarket))
	for _, result := range f.account.CloseAll(true) {
		expect(t, result.Symbol, result.Status(), 200)
	}
	expect(t, "positions", len(f.account.Positions()), 0)
}

// TestExerciseWithSharesSoldShort: the shares of an exercised call go to those that were sold short first, and then they are too few
// for the call that the exercised one covered.
func TestExerciseWithSharesSoldShort(t *testing.T) {
	t.Parallel()
	const later = "AAPL261211C00270000"
	f := trader(t)
	f.pinAt(later, "6")
	f.place(mleg("1", `"market"`, leg(later, "1", "buy_to_open"), leg(call270, "1", "sell_to_open")))
	f.place(`{"symbol":"AAPL","qty":1,"side":"sell","type":"market","time_in_force":"day"}`)
	f.price("275")
	expectFailure(t, f.account.Exercise(later, exchange.ExerciseRequest{}), 403, 40310000, "account not eligible to trade uncovered option contracts")
	f.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"market","time_in_force":"day"}`)
	f.note(f.account.Exercise(later, exchange.ExerciseRequest{}))
	expect(t, "shares", f.position("AAPL"), "100")
}

func TestCashSecuredPut(t *testing.T) {
	t.Parallel()
	f := trader(t)
	f.place(option(put260, "sell", "2", atMarket))
	expect(t, "cash", f.account.Cash().String(), "100590")
	// 2 x 260 x 100 stay reserved for the shares.
	expect(t, "options buying power", f.account.Summary().NonMarginableBuyingPower.String(), "48590")
	_, err := f.try(option(put260, "sell", "2", `"type":"limit","limit_price":"3.00"`))
	expectFailure(t, err, 403, 40310000, "insufficient options buying power for cash-secured put (required: 51400, available: 48590)")
	if text := string(wire.ErrorOf(err).Append(nil)); !strings.Contains(text, `"required_options_buying_power":"51400"`) {
		t.Errorf("body = %s", text)
	}
	f.place(option(put260, "buy", "2", atMarket))
	expect(t, "options buying power", f.account.Summary().NonMarginableBuyingPower.String(), "99980")
}

func TestOptionRefusals(t *testing.T) {
	t.Parallel()
	buy := func(rest string) string { return option(call270, "buy", "1", rest) }
	cases := []struct {
		name, level, body string
		status            int
		message           string
	}{
		{"level 0", "0", buy(atMarket), 403, "account not authorized to trade options"},
		{"level 1 buys", "1", buy(atMarket), 403, "account not eligible to trade long option contracts"},
		{"level 1 sells uncovered", "1", option(call270, "sell", "1", atMarket), 403, "insufficient underlying qty available for covered call (required: 100, available: 0)"},
		{"level 3 sells uncovered", "3", option(call270, "sell", "1", atMarket), 403, "account not eligible to trade uncovered option contracts"},
		{"spread on level 2", "2", mleg("1", `"limit","limit_price":"3.10"`, leg(call270, "1", "buy_to_open"), leg(call280, "1", "sell_to_open")), 403, "account not eligible to trade spreads or uncovered contracts"},
		{"no money", "3", option(call270, "buy", "2000", `"type":"limit","limit_price":"5"`), 403, "insufficient options buying power (required: 1000000, available: 100000)"},
		{"bracket", "3", buy(`"type":"market","order_class":"bracket","take_profit":{"limit_price":"9"},"stop_loss":{"stop_price":"1"}`), 422, "complex orders not supported for options trading"},
		{"notional", "3", `{"symbol":"` + call270 + `","notional":500,"side":"buy","type":"market","time_in_force":"day"}`, 422, "notional orders are not supported for options trading"},
		{"part of a contract", "3", option(call270, "buy", "1.5", atMarket), 422, "qty must be integer for options trading"},
		{"extended hours", "3", buy(`"type":"limit","limit_price":"5","extended_hours":true`), 422, "extended hours is not supported for options trading"},
		{"stop", "3", buy(`"type":"stop","stop_price":"6"`), 422, "invalid option order_type"},
		{"trailing stop", "3", buy(`"type":"trailing_stop","trail_price":"1"`), 422, "invalid order type for options trading"},
		{"too many", "3", option(call270, "buy", "10001", atMarket), 422, "options order qty must be <= 10000"},
		{"too much", "3", option(call270, "buy", "10000", `"type":"limit","limit_price":"50"`), 422, "options order notional is 50000000 must be <= 10000000"},
		{"sub-penny", "3", buy(`"type":"limit","limit_price":"0.125"`), 422, "invalid limit_price 0.125. sub-penny increment does not fulfill minimum pricing criteria"},
		{"unknown contract", "3", option("AAPL261204C00271234", "buy", "1", atMarket), 422, `contract "AAPL261204C00271234" not found`},
		{"expired contract", "3", option("AAPL261120C00270000", "buy", "1", atMarket), 422, `contract "AAPL261120C00270000" is expired`},
		{"contract of the far future", "3", option("AAPL280121C00270000", "buy", "1", atMarket), 422, `contract "AAPL280121C00270000" is not active`},
		{"wrong intent", "3", buy(`"type":"market","position_intent":"buy_to_close"`), 422, "position intent mismatch, inferred: buy_to_open, specified: buy_to_close"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := trader(t)
			f.level(c.level)
			_, err := f.try(c.body)
			code := 42210000
			if c.status == 403 {
				code = 40310000
			}
			expectFailure(t, err, c.status, code, c.message)
			expect(t, "accepted orders", len(f.account.Accepted()), 0)
		})
	}
	f := trader(t)
	_, err := f.try(strings.Replace(buy(atMarket), `"day"`, `"gtc"`, 1))
	expectFailure(t, err, 422, 42210000, "order_time_in_force provided not supported for options trading")
	f.at("2026-11-23T22:00:00Z")
	_, err = f.try(buy(atMarket))
	expectFailure(t, err, 422, 42210000, "options market orders are only allowed during market hours")
	f.at("2026-12-04T20:30:00Z")
	_, err = f.try(buy(atMarket))
	expectFailure(t, err, 422, 42210000, `contract "`+call270+`" expires soon, unable to open new positions`)
}

func TestWideOptionOrders(t *testing.T) {
	t.Parallel()
	f := newFloor(t, session.Real, exchange.Settings{
		FillLatency: -1, PartialFillProbability: -1, Disputed: exchange.Disputed{WideOptionOrders: true},
	}, "100000")
	f.price("270")
	f.pinAt(call270, "5")
	f.place(option(call270, "buy", "1", atMarket))
	stop := f.place(option(call270, "sell", "1", `"type":"stop","stop_price":"4"`))
	f.pinAt(call270, "4")
	expect(t, "stop", f.get(stop.ID).Status, exchange.StatusFilled)
	order := f.place(strings.Replace(option(call270, "buy", "1", `"type":"limit","limit_price":"1"`), `"day"`, `"gtc"`, 1))
	expect(t, "expires", order.ExpiresAt.UTC().Format(time.RFC3339), "2026-12-04T21:00:00Z")
}

func TestOptionsExpire(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, last string // AAPL at the close
		before     []string
		shares     string // before
		after      string
		cash       string
		activities []string
	}{
		{"long call out of the money", "269.99", []string{option(call270, "buy", "2", atMarket)}, "", "flat", "98990", []string{"OPEXP -2"}},
		{"long call in the money", "270.01", []string{option(call270, "buy", "2", atMarket)}, "", "200", "44990", []string{"OPEXC -2", "OPTRD 200"}},
		{"short put in the money", "259", []string{option(put260, "sell", "1", atMarket)}, "", "100", "74295", []string{"OPASN 1", "OPTRD 100"}},
		{"covered call that is called", "290", []string{option(call280, "sell", "1", atMarket)}, "100", "flat", "101198", []string{"OPASN 1", "OPTRD -100"}},
		{"long put with shares", "255", []string{option(put260, "buy", "1", atMarket)}, "100", "flat", "98694", []string{"OPEXC -1", "OPTRD -100"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := trader(t)
			if c.shares != "" {
				f.place(`{"symbol":"AAPL","qty":` + c.shares + `,"side":"buy","type":"market","time_in_force":"day"}`)
			}
			for _, body := range c.before {
				f.place(body)
			}
			f.price(c.last)
			f.at("2026-12-04T20:59:59Z")
			f.at("2026-12-04T21:00:00Z")
			expect(t, "shares", f.position("AAPL"), c.after)
			expect(t, "cash", f.account.Cash().String(), c.cash)
			list := f.account.Activities(exchange.ActivityFilter{Category: "non_trade_activity", Ascending: true, PageSize: 100})
			found := make([]string, 0, len(list))
			for _, activity := range list {
				var fields map[string]any
				if err := json.Unmarshal(activity.Append(nil), &fields); err != nil {
					t.Fatal(err)
				}
				qty, _ := fields["qty"].(string)
				found = append(found, activity.Type()+" "+qty)
				expect(t, "date", fields["date"], any("2026-12-05"))
				if !strings.HasPrefix(activity.ID(), "20261205000000000::") {
					t.Errorf("ID = %s", activity.ID())
				}
			}
			if !slices.Equal(found, c.activities) {
				t.Errorf("activities = %q, want %q", found, c.activities)
			}
		})
	}
}

// TestUnaffordableOptionsAreSold: half an hour before the close Alpaca sells what the account could not exercise.
func TestUnaffordableOptionsAreSold(t *testing.T) {
	t.Parallel()
	f := trader(t)
	f.place(option(call270, "buy", "10", atMarket)) // 270,000 USD of shares
	f.place(option(put260, "buy", "2", atMarket))   // of 200 shares that are not there
	f.price("300")
	f.pinAt(call270, "30")
	f.at("2026-12-04T20:30:00Z")
	// Six of the ten calls can be exercised with twice the equity's excess.
	expect(t, "calls", f.position(call270), "6")
	expect(t, "puts", f.position(put260), "2")
	f.at("2026-12-04T21:00:00Z")
	expect(t, "shares", f.position("AAPL"), "600")
	expect(t, "puts", f.position(put260), "flat")
	if events := f.events(); !slices.Equal(events[len(events)-3:], []string{"pending_new", "new", "fill"}) {
		t.Errorf("events = %v", events)
	}
}

func TestExercise(t *testing.T) {
	t.Parallel()
	f := trader(t)
	exercise := func(symbol, body string) error {
		request, err := exchange.DecodeExercise([]byte(body))
		if err != nil {
			return err
		}
		return f.account.Exercise(symbol, request)
	}
	expectFailure(t, exercise(call270, ""), 404, 40410000, "long position not found: "+call270)
	f.place(option(call270, "buy", "3", atMarket))
	expectFailure(t, exercise(call270, ""), 403, 40310000, "you are attempting to exercise an out of the money option contract, please contact support@alpaca.markets to complete this request")
	f.price("275")
	expectFailure(t, exercise(call270, `{"qty":"0"}`), 422, 42210000, "qty must be > 0")
	expectFailure(t, exercise(call270, `{"qty":4}`), 403, 40310000, "insufficient qty available (requested: 4, available: 3)")
	if err := exercise(call270, `{"qty":1}`); err != nil {
		t.Fatal(err)
	}
	expect(t, "calls", f.position(call270), "2")
	expect(t, "shares", f.position("AAPL"), "100")
	expect(t, "cash", f.account.Cash().String(), "71485")
	f.place(option(call270, "sell", "2", `"type":"limit","limit_price":"9"`))
	expectFailure(t, exercise(call270, ""), 403, 40310000, "no qty available to exercise")
	f.account.CancelAll()
	f.at("2026-11-23T21:30:00Z")
	expectFailure(t, exercise(call270, ""), 403, 40310000, "exercise requests are not accepted after market close until midnight")
	f.at("2026-11-24T15:00:00Z")
	f.place(option(call270, "buy", "10", atMarket))
	expectFailure(t, exercise(call270, ""), 403, 40310000, "insufficient regt buying power (required: 324000, available: 160370)")

	f.place(option(put260, "buy", "2", atMarket))
	f.price("250")
	expectFailure(t, exercise(put260, ""), 403, 40310000, "insufficient underlying qty available for deliverable: AAPL (requested: 200, available: 100)")
	if err := exercise(put260, `{"qty":1}`); err != nil {
		t.Fatal(err)
	}
	expect(t, "shares", f.position("AAPL"), "flat")
}

// TestExerciseTakesSharesFromUnderOrders: shares that a put delivers are no longer there for an order to sell.
func TestExerciseTakesSharesFromUnderOrders(t *testing.T) {
	t.Parallel()
	f := trader(t)
	f.place(`{"symbol":"AAPL","qty":150,"side":"buy","type":"market","time_in_force":"day"}`)
	older := f.place(`{"symbol":"AAPL","qty":40,"side":"sell","type":"limit","limit_price":"400","time_in_force":"gtc"}`)
	newer := f.place(`{"symbol":"AAPL","qty":60,"side":"sell","type":"stop","stop_price":"200","time_in_force":"gtc"}`)
	f.place(option(put260, "buy", "1", atMarket))
	f.price("250")
	f.at("2026-12-04T21:00:00Z")
	expect(t, "shares", f.position("AAPL"), "50")
	expect(t, "older order", f.get(older.ID).Status, exchange.StatusNew)
	expect(t, "newer order", f.get(newer.ID).Status, exchange.StatusCanceled)
}

func TestDoNotExercise(t *testing.T) {
	t.Parallel()
	f := trader(t)
	mark := func(body string) error {
		request, err := exchange.DecodeExercise([]byte(body))
		if err != nil {
			return err
		}
		return f.account.DoNotExercise(call270, request)
	}
	expectFailure(t, mark(""), 404, 40410000, "long position not found: "+call270)
	f.place(option(call270, "buy", "3", atMarket))
	expectFailure(t, mark(""), 403, 40310000, "dne requests are only accepted on the expiration day of the option contract")
	f.price("280")
	f.at("2026-12-04T16:00:00Z")
	if err := mark(`{"qty":2}`); err != nil {
		t.Fatal(err)
	}
	expectFailure(t, f.account.Exercise(call270, exchange.ExerciseRequest{Qty: amountOf("2")}), 403, 40310000,
		"insufficient qty available to exercise after accounting for partial do-not-exercise (requested: 2, dne_qty: 2, available: 1)")
	f.at("2026-12-04T21:00:00Z")
	expect(t, "shares", f.position("AAPL"), "100")

	f = trader(t)
	f.place(option(call270, "buy", "3", atMarket))
	f.price("280")
	f.at("2026-12-04T16:00:00Z")
	if err := mark(""); err != nil {
		t.Fatal(err)
	}
	expectFailure(t, f.account.Exercise(call270, exchange.ExerciseRequest{}), 403, 40310000, "cannot exercise position marked as do-not-exercise")
	f.at("2026-12-04T21:00:00Z")
	expect(t, "shares", f.position("AAPL"), "flat")
}

func amountOf(text string) exchange.Amount {
	value := decimal.MustParse(text)
	return exchange.Amount{Value: &value}
}

func leg(symbol, ratio, intent string) string {
	return `{"symbol":"` + symbol + `","ratio_qty":"` + ratio + `","position_intent":"` + intent + `"}`
}

// mleg is the body of a multi-leg order; kind is the JSON of its type and what follows.
func mleg(qty, kind string, legs ...string) string {
	return `{"order_class":"mleg","qty":"` + qty + `","time_in_force":"day","type":` + kind + `,"legs":[` + strings.Join(legs, ",") + `]}`
}
