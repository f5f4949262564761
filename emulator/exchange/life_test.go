package exchange_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func TestMarketOrderFillsAtTheQuote(t *testing.T) {
	t.Parallel()
	f := instant(t)
	answer, err := f.try(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day"}`)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "status in the answer", answer.Status, exchange.StatusPendingNew)
	order := f.get(answer.ID)
	expect(t, "status", order.Status, exchange.StatusFilled)
	expect(t, "average price", order.FilledAveragePrice().String(), "100.01")
	expect(t, "cash", f.account.Cash().String(), "98999.9")
	if got := f.events(); !slices.Equal(got, []string{"pending_new", "new", "fill"}) {
		t.Errorf("events = %v", got)
	}
}

func TestLimitOrderWaitsForItsPrice(t *testing.T) {
	t.Parallel()
	f := instant(t)
	order := f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"limit","limit_price":"95","time_in_force":"gtc"}`)
	expect(t, "status", order.Status, exchange.StatusNew)
	expect(t, "buying power", f.account.Summary().BuyingPower.String(), "399050")
	f.price("94.98")
	order = f.get(order.ID)
	expect(t, "status", order.Status, exchange.StatusFilled)
	expect(t, "average price", order.FilledAveragePrice().String(), "94.99")
}

func TestStops(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body   string
		prices       []string
		status       exchange.Status
		averagePrice string
	}{
		{"sell stop", `"side":"sell","type":"stop","stop_price":"95"`, []string{"95.01", "94.5"}, exchange.StatusFilled, "94.49"},
		{"sell stop not reached", `"side":"sell","type":"stop","stop_price":"95"`, []string{"95.01"}, exchange.StatusNew, ""},
		{"sell stop limit beyond its limit", `"side":"sell","type":"stop_limit","stop_price":"95","limit_price":"94.8"`, []string{"94.5"}, exchange.StatusNew, ""},
		{"sell stop limit that comes back", `"side":"sell","type":"stop_limit","stop_price":"95","limit_price":"94.8"`, []string{"94.5", "96"}, exchange.StatusFilled, "95.99"},
		{"trailing by price", `"side":"sell","type":"trailing_stop","trail_price":"2"`, []string{"105", "103.5", "103"}, exchange.StatusFilled, "102.99"},
		{"trailing by percent", `"side":"sell","type":"trailing_stop","trail_percent":"10"`, []string{"110", "99.01"}, exchange.StatusNew, ""},
		{"trailing by percent reached", `"side":"sell","type":"trailing_stop","trail_percent":"10"`, []string{"110", "99"}, exchange.StatusFilled, "98.99"},
		{"buy stop", `"side":"buy","type":"stop","stop_price":"105"`, []string{"106"}, exchange.StatusFilled, "106.01"},
		{"buy stop beyond its collar", `"side":"buy","type":"stop","stop_price":"105"`, []string{"110"}, exchange.StatusNew, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := instant(t)
			f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day"}`)
			order := f.place(`{"symbol":"AAPL","qty":10,"time_in_force":"gtc",` + c.body + `}`)
			for _, price := range c.prices {
				f.price(price)
			}
			order = f.get(order.ID)
			expect(t, "status", order.Status, c.status)
			if c.averagePrice != "" {
				expect(t, "average price", order.FilledAveragePrice().String(), c.averagePrice)
			}
		})
	}
}

func TestImmediateOrders(t *testing.T) {
	t.Parallel()
	f := newFloor(t, session.Real, exchange.Settings{FillLatency: -1, PartialFillProbability: 1}, "100000")
	ioc := f.place(`{"symbol":"AAPL","qty":100,"side":"buy","type":"market","time_in_force":"ioc"}`)
	expect(t, "ioc status", ioc.Status, exchange.StatusCanceled)
	if !ioc.FilledQty.IsPos() || !ioc.FilledQty.LessThan(*ioc.Qty) {
		t.Errorf("ioc filled %s of %s, want a part", ioc.FilledQty, ioc.Qty)
	}
	fok := f.place(`{"symbol":"AAPL","qty":100,"side":"buy","type":"limit","limit_price":"101","time_in_force":"fok"}`)
	expect(t, "fok status", fok.Status, exchange.StatusFilled)
	away := f.place(`{"symbol":"AAPL","qty":100,"side":"buy","type":"limit","limit_price":"99","time_in_force":"fok"}`)
	expect(t, "fok away from the market", away.Status, exchange.StatusCanceled)
}

func TestPartialFillsUntilDone(t *testing.T) {
	t.Parallel()
	f := newFloor(t, session.Real, exchange.Settings{FillLatency: -1, PartialFillProbability: 0.9}, "100000")
	order := f.place(`{"symbol":"AAPL","qty":100,"side":"buy","type":"market","time_in_force":"day"}`)
	expect(t, "status", order.Status, exchange.StatusFilled)
	if got := f.events(); !slices.Contains(got, "partial_fill") || got[len(got)-1] != "fill" {
		t.Errorf("events = %v", got)
	}
}

func TestNotionalOrderBuysFractions(t *testing.T) {
	t.Parallel()
	f := instant(t)
	order := f.place(`{"symbol":"AAPL","notional":"1000","side":"buy","type":"market","time_in_force":"day"}`)
	expect(t, "status", order.Status, exchange.StatusFilled)
	expect(t, "filled", order.FilledQty.String(), "9.999000099")
	sale := f.place(`{"symbol":"AAPL","notional":"500","side":"sell","type":"market","time_in_force":"day"}`)
	expect(t, "sale", sale.Status, exchange.StatusFilled)
}

func TestReplace(t *testing.T) {
	t.Parallel()
	f := instant(t)
	const body = `{"symbol":"AAPL","qty":10,"side":"buy","type":"limit","limit_price":"95","time_in_force":"gtc"}`
	old := f.place(body)
	change, err := exchange.DecodeReplace([]byte(`{"qty":"12","limit_price":"96"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := f.account.Replace(old.ID, change)
	if err != nil {
		t.Fatal(err)
	}
	old, replacement := f.get(old.ID), f.get(answer.ID)
	expect(t, "old status", old.Status, exchange.StatusReplaced)
	expect(t, "replaced by", old.ReplacedBy, replacement.ID)
	expect(t, "replaces", replacement.Replaces, old.ID)
	expect(t, "new status", replacement.Status, exchange.StatusNew)
	expect(t, "limit", replacement.LimitPrice.String(), "96")
	expect(t, "buying power", f.account.Summary().BuyingPower.String(), "398848")
	if got := f.events(); !slices.Equal(got, []string{"pending_new", "new", "replaced", "new"}) {
		t.Errorf("events = %v", got)
	}
	_, err = f.account.Replace(old.ID, change)
	expectFailure(t, err, 422, 42210000, "order already replaced")
	_, err = f.account.Replace(replacement.ID, change)
	expectFailure(t, err, 422, 42210000, "order parameters are not changed")
}

func TestReplaceRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, order, change, message string }{
		{"filled", `"qty":1,"type":"market","time_in_force":"day"`, `{"qty":2}`, "cannot replace order in filled status"},
		{"fraction", `"qty":"1.5","type":"limit","limit_price":"90","time_in_force":"day"`, `{"qty":2}`, "qty cannot be changed for fractional orders"},
		{"to a fraction", `"qty":1,"type":"limit","limit_price":"90","time_in_force":"day"`, `{"qty":1.5}`, "qty must be integer"},
		{"notional", `"notional":10,"type":"limit","limit_price":"90","time_in_force":"day"`, `{"limit_price":91}`, "notional orders cannot be replaced"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFloor(t, session.Real, exchange.Settings{
				FillLatency: -1, PartialFillProbability: -1, Disputed: exchange.Disputed{WideNotional: true},
			}, "100000")
			order := f.place(`{"symbol":"AAPL","side":"buy",` + c.order + `}`)
			change, err := exchange.DecodeReplace([]byte(c.change))
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.account.Replace(order.ID, change)
			expectFailure(t, err, 422, 42210000, c.message)
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	f := instant(t)
	order := f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"limit","limit_price":"95","time_in_force":"gtc"}`)
	if err := f.account.Cancel(order.ID); err != nil {
		t.Fatal(err)
	}
	expect(t, "buying power", f.account.Summary().BuyingPower.String(), "400000")
	expectFailure(t, f.account.Cancel(order.ID), 422, 42210000, `order is already in "canceled" state`)
	const unknown = "00000000-0000-4000-8000-000000000000"
	expectFailure(t, f.account.Cancel(unknown), 404, 40410000, "order not found for "+unknown)
	expectFailure(t, f.account.Cancel("x"), 422, 40010001, "order_id is missing")
}

func TestSessions(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.clock.Set(time.Date(2026, time.November, 23, 13, 0, 0, 0, time.UTC)) // 08:00 in New York
	queued := f.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"market","time_in_force":"day"}`)
	expect(t, "before the open", queued.Status, exchange.StatusAccepted)
	early := f.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"101","extended_hours":true,"time_in_force":"day"}`)
	expect(t, "extended hours", early.Status, exchange.StatusFilled)
	away := f.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"90","time_in_force":"day"}`)

	f.clock.Set(monday)
	f.exchange.Sweep()
	expect(t, "after the open", f.get(queued.ID).Status, exchange.StatusFilled)
	expect(t, "limit after the open", f.get(away.ID).Status, exchange.StatusNew)

	f.clock.Set(time.Date(2026, time.November, 23, 21, 0, 0, 0, time.UTC)) // 16:00
	f.exchange.Sweep()
	expect(t, "at the close", f.get(away.ID).Status, exchange.StatusExpired)
	expect(t, "buying power held", f.account.Summary().BuyingPower.String(), "399799.92")
}

func TestPositionsAndClosing(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day"}`)
	f.price("110")
	f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day"}`)
	position, err := f.account.Position("AAPL")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "average entry", position.AverageEntryPrice.String(), "105.01")
	expect(t, "unrealized", position.UnrealizedPL.String(), "99.8")
	half, err := f.account.ClosePosition("AAPL", exchange.Closing{Percentage: ptr("25")})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "closing quantity", half.Qty.String(), "5")
	f.place(`{"symbol":"AAPL","qty":4,"side":"sell","type":"limit","limit_price":"200","time_in_force":"gtc"}`)
	_, err = f.account.ClosePosition("AAPL", exchange.Closing{})
	expectFailure(t, err, 403, 40310000, "insufficient qty available for order (requested: 15, available: 11)")
	results := f.account.CloseAll(true)
	expect(t, "results", len(results), 1)
	expect(t, "status", results[0].Status(), 200)
	_, err = f.account.Position("AAPL")
	expectFailure(t, err, 404, 40410000, "position does not exist")
	expect(t, "cash", f.account.Cash().String(), f.account.Summary().Equity.String())
}

func TestShortPosition(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.place(`{"symbol":"AAPL","qty":10,"side":"sell","type":"market","time_in_force":"day"}`)
	f.price("90")
	position, err := f.account.Position("AAPL")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "qty", position.Qty.String(), "-10")
	expect(t, "market value", position.MarketValue.String(), "-900")
	expect(t, "unrealized", position.UnrealizedPL.String(), "99.9")
	_, err = f.try(`{"symbol":"AAPL","qty":11,"side":"buy","type":"market","time_in_force":"day"}`)
	expectFailure(t, err, 403, 40310000, "insufficient qty available for order (requested: 11, available: 10)")
	if _, err := f.account.ClosePosition("AAPL", exchange.Closing{}); err != nil {
		t.Fatal(err)
	}
	expect(t, "cash", f.account.Cash().String(), "100099.8")
}

func TestRollOverRemembersTheLastClose(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day"}`)
	f.price("120")
	f.clock.Advance(24 * time.Hour)
	summary := f.account.Summary()
	expect(t, "last equity", summary.LastEquity.String(), "100199.9")
	expect(t, "balance as of", summary.BalanceAsOf, "2026-11-23")
	position, err := f.account.Position("AAPL")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "intraday", position.UnrealizedIntradayPL.String(), "0")
}

// TestPaperLatency runs with the delays of paper trading, in synthetic time.
func TestPaperLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t, session.AlwaysOpen, exchange.Settings{FillLatency: 100 * time.Millisecond, PartialFillProbability: -1}, "100000")
		f.run()
		order, err := f.try(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day"}`)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "at once", f.get(order.ID).Status, exchange.StatusPendingNew)
		time.Sleep(31 * time.Millisecond)
		expect(t, "after 31 ms", f.get(order.ID).Status, exchange.StatusNew)
		time.Sleep(68 * time.Millisecond)
		expect(t, "after 99 ms", f.get(order.ID).Status, exchange.StatusNew)
		time.Sleep(2 * time.Millisecond)
		expect(t, "after 101 ms", f.get(order.ID).Status, exchange.StatusFilled)

		resting, err := f.try(`{"symbol":"AAPL","qty":10,"side":"buy","type":"limit","limit_price":"90","time_in_force":"day"}`)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := f.account.Cancel(resting.ID); err != nil {
			t.Fatal(err)
		}
		expect(t, "cancel asked", f.get(resting.ID).Status, exchange.StatusPendingCancel)
		expectFailure(t, f.account.Cancel(resting.ID), 422, 42210000, "order pending cancel")
		time.Sleep(31 * time.Millisecond)
		expect(t, "cancel agreed", f.get(resting.ID).Status, exchange.StatusCanceled)
	})
}

// TestReplacementLosesTheRace: the old order fills before the venue agrees, so the new one is rejected.
func TestReplacementLosesTheRace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t, session.AlwaysOpen, exchange.Settings{PartialFillProbability: -1}, "100000")
		f.run()
		old, err := f.try(`{"symbol":"AAPL","qty":10,"side":"buy","type":"limit","limit_price":"95","time_in_force":"gtc"}`)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		change, err := exchange.DecodeReplace([]byte(`{"qty":20}`))
		if err != nil {
			t.Fatal(err)
		}
		replacement, err := f.account.Replace(old.ID, change)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "larger order counts", f.account.Summary().BuyingPower.String(), "398100")
		f.price("94")
		time.Sleep(time.Second)
		expect(t, "old", f.get(old.ID).Status, exchange.StatusFilled)
		expect(t, "replacement", f.get(replacement.ID).Status, exchange.StatusRejected)
		expect(t, "position", f.account.Positions()[0].Qty.String(), "10")
		expect(t, "buying power", f.account.Summary().BuyingPower.String(), "399059.6")
	})
}

// TestReplacementCarriesFills: what the old order fills while the replacement is under way counts for the new one.
func TestReplacementCarriesFills(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t, session.AlwaysOpen, exchange.Settings{PartialFillProbability: 1}, "100000")
		f.run()
		old, err := f.try(`{"symbol":"AAPL","qty":1000,"side":"buy","type":"limit","limit_price":"95","time_in_force":"gtc"}`)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		change, err := exchange.DecodeReplace([]byte(`{"limit_price":"93"}`))
		if err != nil {
			t.Fatal(err)
		}
		replacement, err := f.account.Replace(old.ID, change)
		if err != nil {
			t.Fatal(err)
		}
		f.price("94")
		time.Sleep(time.Second)
		before, after := f.get(old.ID), f.get(replacement.ID)
		expect(t, "old", before.Status, exchange.StatusReplaced)
		if !before.FilledQty.IsPos() {
			t.Fatal("the old order filled nothing")
		}
		expect(t, "carried over", after.FilledQty.String(), before.FilledQty.String())
		expect(t, "position", f.account.Positions()[0].Qty.String(), after.FilledQty.String())
	})
}

func ptr(text string) *decimal.Decimal {
	value := decimal.MustParse(text)
	return &value
}
