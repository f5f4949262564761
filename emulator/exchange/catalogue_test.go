package exchange_test

import (
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// TestErrorCatalogue goes through the rest of Alpaca's error catalogue (section 2.9 of the facts): what depends on the
// account, on what is open, on the hour, and on the asset.
func TestErrorCatalogue(t *testing.T) {
	t.Parallel()
	const (
		buy, sell = `"symbol":"AAPL","side":"buy","time_in_force":"day",`, `"symbol":"AAPL","side":"sell","time_in_force":"day",`
		hold      = `{` + buy + `"qty":10,"type":"market"}`
		coins     = `{"symbol":"BTC/USD","side":"buy","qty":"0.01","type":"market","time_in_force":"gtc"}`
		evening   = "2026-11-23T22:00:00Z"
	)
	cases := []struct {
		name         string
		before       []string // orders
		at           string   // "" : a Monday at 10:00 in New York
		body         string
		status, code int
		message      string
	}{
		{"not fractionable", nil, "", `{"symbol":"UVXY","side":"buy","notional":50,"type":"market","time_in_force":"day"}`, 403, 40310000, `asset "UVXY" is not fractionable`},
		{"not tradable", nil, "", `{"symbol":"FAKEPACA","side":"buy","qty":1,"type":"market","time_in_force":"day"}`, 403, 40310000, `asset "FAKEPACA" is not tradable`},
		{"a perpetual future", nil, "", `{"symbol":"BTC-PERP","side":"buy","qty":1,"type":"market","time_in_force":"gtc"}`, 403, 40310000, `asset "BTC-PERP" is not tradable`},
		{"hard to borrow", nil, "", `{"symbol":"GME","side":"sell","qty":1,"type":"market","time_in_force":"day"}`, 422, 42210000, `asset "GME" cannot be sold short`},
		{"no symbol at all", nil, "", `{"symbol":"A A\u0001","side":"buy","qty":1,"type":"market","time_in_force":"day"}`, 422, 42210000, "invalid symbol"},
		{"notional with a limit", nil, "", `{` + buy + `"notional":50,"type":"limit","limit_price":"90"}`, 422, 42210000, "notional orders must be market orders"},
		{"notional good till canceled", nil, "", `{"symbol":"AAPL","side":"buy","notional":50,"type":"market","time_in_force":"gtc"}`, 422, 42210000, "fractional orders must be DAY orders"},
		{"fractional bracket", nil, "", `{` + buy + `"qty":"1.5","type":"market","order_class":"bracket","take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"90"}}`, 422, 42210000, "fractional orders must be simple orders"},
		{"trailing stop with a limit", nil, "", `{` + buy + `"qty":1,"type":"trailing_stop","trail_price":1,"limit_price":5}`, 422, 40010001, "trailing stop orders require no stop or limit price"},
		{"both trails", nil, "", `{` + buy + `"qty":1,"type":"trailing_stop","trail_price":1,"trail_percent":1}`, 422, 40010001, "trailing stop orders must specify one of trail_price or trail_percent"},
		{"stop price of zero", nil, "", `{` + buy + `"qty":1,"type":"stop","stop_price":0}`, 422, 40010001, "stop price must be > 0"},
		{"trailing stop immediately", nil, "", `{"symbol":"AAPL","side":"buy","qty":1,"type":"trailing_stop","trail_price":1,"time_in_force":"fok"}`, 422, 42210000, "invalid time_in_force for trailing_stop order"},
		{"extended hours at the close", nil, "", `{"symbol":"AAPL","side":"buy","qty":1,"type":"limit","limit_price":5,"extended_hours":true,"time_in_force":"cls"}`, 422, 42210000, "extended hours order must be DAY or GTC limit orders"},
		{"more than there is", []string{hold}, "", `{` + sell + `"qty":11,"type":"market"}`, 403, 40310000, "insufficient qty available for order (requested: 11, available: 10)"},
		{"more dollars than there are", []string{hold}, "", `{` + sell + `"notional":2000,"type":"market"}`, 403, 40310000, "insufficient qty available for order (requested: 19.998000199, available: 10)"},
		{"short against an open buy", []string{`{` + buy + `"qty":1,"type":"limit","limit_price":"90"}`}, "", `{` + sell + `"qty":1,"type":"limit","limit_price":"110"}`, 403, 40310000, "cannot open a short sell while a long buy order is open"},
		{"long against an open short", []string{`{` + sell + `"qty":1,"type":"limit","limit_price":"110"}`}, "", `{` + buy + `"qty":1,"type":"limit","limit_price":"90"}`, 403, 40310000, "cannot open a long buy while a short sell order is open"},
		{"shares and dollars sold together at night", []string{hold}, evening, `{` + sell + `"notional":50,"type":"market"}`, 403, 40310000, "unable to open new notional orders while having open closing position orders"},
		{"bracket on a position", []string{hold}, "", `{` + buy + `"qty":1,"type":"market","order_class":"bracket","take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"90"}}`, 422, 42210000, "bracket orders must be entry orders"},
		{"oco that opens", nil, "", `{` + buy + `"qty":1,"type":"limit","order_class":"oco","take_profit":{"limit_price":"90"},"stop_loss":{"stop_price":"110"}}`, 422, 42210000, "oco orders must be exit orders"},
		{"opg too late", nil, "2026-11-23T14:28:00Z", `{"symbol":"AAPL","side":"buy","qty":1,"type":"market","time_in_force":"opg"}`, 403, 40310000, "opg orders must be submitted after 7:00pm and before 9:28am"},
		{"cls too late", nil, "2026-11-23T20:50:00Z", `{"symbol":"AAPL","side":"buy","qty":1,"type":"market","time_in_force":"cls"}`, 403, 40310000, "cls orders must be submitted after 7:00pm and before 3:55pm"},

		{"crypto for the day", nil, "", `{"symbol":"BTC/USD","side":"buy","qty":"0.01","type":"market","time_in_force":"day"}`, 422, 40010001, "invalid crypto time_in_force"},
		{"crypto stop", nil, "", `{"symbol":"BTC/USD","side":"buy","qty":"0.01","type":"stop","stop_price":"99999","time_in_force":"gtc"}`, 422, 42210000, "invalid order type for crypto order"},
		{"crypto bracket", nil, "", `{"symbol":"BTC/USD","side":"buy","qty":"0.01","type":"market","time_in_force":"gtc","order_class":"bracket","take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"90"}}`, 422, 42210000, "invalid order type for crypto order"},
		{"crypto too small", nil, "", `{"symbol":"BTC/USD","side":"buy","notional":"9.99","type":"market","time_in_force":"gtc"}`, 403, 40310000, "cost basis must be >= minimal amount of order 10"},
		{"crypto too large", nil, "", `{"symbol":"BTC/USD","side":"buy","notional":"200000.01","type":"market","time_in_force":"gtc"}`, 403, 40310000, "order notional must be <= 200000"},
		{"crypto sold short", nil, "", `{"symbol":"BTC/USD","side":"sell","qty":"0.01","type":"market","time_in_force":"gtc"}`, 403, 40310000, "insufficient balance for BTC (requested: 0.01, available: 0)"},
		{"more crypto than there is", []string{coins}, "", `{"symbol":"BTCUSD","side":"sell","qty":"0.02","type":"market","time_in_force":"gtc"}`, 403, 40310000, "insufficient balance for BTC (requested: 0.02, available: 0.009975)"},
		{"crypto on margin", nil, "", `{"symbol":"BTC/USD","side":"buy","notional":"150000","type":"market","time_in_force":"gtc"}`, 403, 40310000, "insufficient balance for USD (requested: 150000, available: 100000)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := instant(t)
			for _, body := range c.before {
				f.place(body)
			}
			if c.name == "shares and dollars sold together at night" {
				f.at(c.at)
				f.place(`{` + sell + `"qty":1,"type":"market"}`)
			} else if c.at != "" {
				f.at(c.at)
			}
			accepted := len(f.account.Accepted())
			_, err := f.try(c.body)
			expectFailure(t, err, c.status, c.code, c.message)
			expect(t, "accepted orders", len(f.account.Accepted()), accepted)
		})
	}
}

// TestWashTradeTable is section 2.9.3 of the facts, cell by cell: an open order to sell against a new one to buy. The open
// ones wait for the market to open.
func TestWashTradeTable(t *testing.T) {
	t.Parallel()
	body := func(side, kind string) string {
		limit, stop := "110", "90"
		if side == "buy" {
			limit, stop = "105", "120"
		}
		text := `{"symbol":"AAPL","side":"` + side + `","qty":1,"time_in_force":"day","type":"` + kind + `"`
		if kind == "limit" || kind == "stop_limit" {
			text += `,"limit_price":"` + limit + `"`
		}
		if kind == "stop" || kind == "stop_limit" {
			text += `,"stop_price":"` + stop + `"`
		}
		if kind == "trailing_stop" {
			text += `,"trail_price":"5"`
		}
		return text + `}`
	}
	kinds := []string{"market", "limit", "stop", "stop_limit", "trailing_stop"}
	// The limits of the test do not cross: buy at 105, sell at 110.
	allowed := map[string]map[string]bool{
		"limit": {"limit": true, "stop_limit": true}, "stop_limit": {"limit": true, "stop_limit": true},
	}
	for _, open := range kinds {
		for _, candidate := range kinds {
			t.Run(open+" against "+candidate, func(t *testing.T) {
				t.Parallel()
				f := instant(t)
				f.place(`{"symbol":"AAPL","side":"buy","qty":5,"type":"market","time_in_force":"day"}`)
				f.at("2026-11-24T12:00:00Z") // before the open
				f.place(body("sell", open))
				_, err := f.try(body("buy", candidate))
				if allowed[open][candidate] || open == "trailing_stop" || candidate == "trailing_stop" {
					expect(t, "error", err, nil)
					return
				}
				expectFailure(t, err, 403, 40310000, "potential wash trade detected. use complex orders")
			})
		}
	}
}

func TestSwitchesForDisputedReadings(t *testing.T) {
	t.Parallel()
	with := func(t *testing.T, disputed exchange.Disputed) *floor {
		t.Helper()
		return newFloor(t, session.Real, exchange.Settings{FillLatency: -1, PartialFillProbability: -1, Disputed: disputed}, "100000")
	}
	const resting = `{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"50","time_in_force":"day","client_order_id":"once"}`

	f := with(t, exchange.Disputed{ReusableClientOrderIDs: true})
	order := f.place(resting)
	_, err := f.try(resting)
	expectFailure(t, err, 422, 40010001, "client_order_id must be unique")
	if err := f.account.Cancel(order.ID); err != nil {
		t.Fatal(err)
	}
	expect(t, "used again", f.place(resting).ID == order.ID, false)

	f = with(t, exchange.Disputed{RepeatedCancels: true})
	order = f.place(resting)
	for range 2 {
		expect(t, "cancel", f.account.Cancel(order.ID), nil)
	}

	f = with(t, exchange.Disputed{CanceledAtClose: true})
	order = f.place(resting)
	f.at("2026-11-23T21:00:00Z")
	expect(t, "at the close", f.get(order.ID).Status, exchange.StatusCanceled)

	f = with(t, exchange.Disputed{CryptoDayOrders: true})
	f.place(`{"symbol":"BTC/USD","side":"buy","qty":"0.01","type":"limit","limit_price":"5000","time_in_force":"day"}`)
	_, err = f.try(`{"symbol":"BTC/USD","side":"buy","qty":"0.01","type":"market","time_in_force":"day"}`)
	expectFailure(t, err, 422, 40010001, "invalid crypto time_in_force")

	f = with(t, exchange.Disputed{WideNotional: true})
	f.place(`{"symbol":"AAPL","side":"buy","notional":50,"type":"limit","limit_price":"90","time_in_force":"day"}`)
}

func TestConcentratedAccountsMayOnlyClose(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.place(`{"symbol":"AAPL","side":"buy","qty":3900,"type":"market","time_in_force":"day"}`)
	f.price("77") // 300,300 USD of shares against 10,261 USD of equity
	_, err := f.try(`{"symbol":"F","side":"buy","qty":1,"type":"market","time_in_force":"day"}`)
	expectFailure(t, err, 403, 40310000, "account is restricted to liquidation only")
	f.place(`{"symbol":"AAPL","side":"sell","qty":100,"type":"market","time_in_force":"day"}`)
}

// TestBuyingPowerByTheHour: a market order is taken to cost the ask, the middle of the quote in extended hours, and the last
// trade when the market is closed.
func TestBuyingPowerByTheHour(t *testing.T) {
	t.Parallel()
	const order = `{"symbol":"AAPL","side":"buy","qty":100000,"type":"market","time_in_force":"day"}`
	for at, cost := range map[string]string{
		"2026-11-23T15:00:00Z": "10001000", "2026-11-23T22:00:00Z": "10000000", "2026-11-24T03:00:00Z": "10000000",
	} {
		f := instant(t)
		f.at(at)
		_, err := f.try(order)
		want := `{"buying_power":"400000","code":40310000,"cost_basis":"` + cost + `","message":"insufficient buying power"}`
		expect(t, "body", string(wire.ErrorOf(err).Append(nil)), want)
	}
}

func TestReplaceWhileAReplacementIsPending(t *testing.T) {
	t.Parallel()
	f := newFloor(t, session.Real, exchange.Settings{FillLatency: 1 << 40, PartialFillProbability: -1}, "100000")
	order := f.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"50","time_in_force":"gtc"}`)
	_, err := f.account.Replace(order.ID, exchange.ReplaceRequest{LimitPrice: amountOf("51")})
	expectFailure(t, err, 422, 42210000, "cannot replace order in pending_new status")
}

func (f *floor) restrict(to exchange.Restriction) {
	f.t.Helper()
	if err := f.account.Restrict(to, exchange.Privilege{}); err != nil {
		f.t.Fatal(err)
	}
}

func TestRestrictedAccounts(t *testing.T) {
	t.Parallel()
	f := trader(t)
	f.place(`{"symbol":"AAPL","side":"buy","qty":5,"type":"market","time_in_force":"day"}`)
	f.restrict(exchange.Restriction{LiquidationOnly: true})
	_, err := f.try(`{"symbol":"AAPL","side":"buy","qty":1,"type":"market","time_in_force":"day"}`)
	expectFailure(t, err, 403, 40310000, "account is restricted to liquidation only")
	_, err = f.try(debitSpread("1", mlegMarket))
	expectFailure(t, err, 403, 40310000, "account is restricted to liquidation only")
	f.place(`{"symbol":"AAPL","side":"sell","qty":1,"type":"market","time_in_force":"day"}`)
	f.restrict(exchange.Restriction{TradingBlocked: true})
	_, err = f.try(`{"symbol":"AAPL","side":"sell","qty":1,"type":"market","time_in_force":"day"}`)
	expectFailure(t, err, 403, 40310000, "account is not authorized to trade")
	expect(t, "blocked", f.account.Summary().Restriction.TradingBlocked, true)
}
