package exchange_test

import (
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

func TestOrderValidation(t *testing.T) {
	t.Parallel()
	const buy = `"symbol":"AAPL","side":"buy"`
	cases := []struct {
		name, body   string
		status, code int
		message      string
	}{
		{"no object", `[1]`, 400, 40010000, "request body format is invalid"},
		{"broken JSON", `{"symbol":`, 400, 40010000, "request body format is invalid"},
		{"qty is text", `{` + buy + `,"qty":"ten","type":"market","time_in_force":"day"}`, 400, 40010000, "request body format is invalid"},
		{"no symbol", `{"side":"buy","qty":1,"type":"market","time_in_force":"day"}`, 422, 40010001, "symbol is required"},
		{"bad side", `{"symbol":"AAPL","side":"hold","qty":1,"type":"market","time_in_force":"day"}`, 422, 40010001, "invalid side"},
		{"bad type", `{` + buy + `,"qty":1,"type":"iceberg","time_in_force":"day"}`, 422, 40010001, "invalid order type"},
		{"bad time in force", `{` + buy + `,"qty":1,"type":"market","time_in_force":"gtd"}`, 422, 40010001, "invalid time_in_force"},
		{"bad class", `{` + buy + `,"qty":1,"type":"market","time_in_force":"day","order_class":"triple"}`, 422, 40010001, "invalid order_class"},
		{"no size", `{` + buy + `,"type":"market","time_in_force":"day"}`, 422, 40010001, "qty or notional is required"},
		{"two sizes", `{` + buy + `,"qty":1,"notional":5,"type":"market","time_in_force":"day"}`, 422, 40010001, "only one of qty or notional is accepted"},
		{"zero qty", `{` + buy + `,"qty":"0","type":"market","time_in_force":"day"}`, 422, 40010001, "qty must be > 0"},
		{"negative qty", `{` + buy + `,"qty":"-1","type":"market","time_in_force":"day"}`, 422, 40010001, "qty must be > 0"},
		{"qty that is cut to zero", `{` + buy + `,"qty":"0.0000000001","type":"market","time_in_force":"day"}`, 422, 40010001, "qty must be > 0"},
		{"small notional", `{` + buy + `,"notional":"0.99","type":"market","time_in_force":"day"}`, 422, 40010001, "notional must be >= 1.00"},
		{"limit without price", `{` + buy + `,"qty":1,"type":"limit","time_in_force":"day"}`, 422, 40010001, "limit orders require a limit price"},
		{"limit of zero", `{` + buy + `,"qty":1,"type":"limit","limit_price":0,"time_in_force":"day"}`, 422, 40010001, "limit price must be > 0"},
		{"stop without price", `{` + buy + `,"qty":1,"type":"stop","time_in_force":"day"}`, 422, 40010001, "stop orders require a stop price"},
		{"stop limit without limit", `{` + buy + `,"qty":1,"type":"stop_limit","stop_price":5,"time_in_force":"day"}`, 422, 40010001, "stop limit orders require both stop and limit price"},
		{"market with limit", `{` + buy + `,"qty":1,"type":"market","limit_price":5,"time_in_force":"day"}`, 422, 40010001, "market orders require no stop or limit price"},
		{"market with trail", `{` + buy + `,"qty":1,"type":"market","trail_price":5,"time_in_force":"day"}`, 422, 40010001, "market orders must not have trail_price"},
		{"trail without distance", `{` + buy + `,"qty":1,"type":"trailing_stop","time_in_force":"day"}`, 422, 40010001, "trailing stop orders must specify one of trail_price or trail_percent"},
		{"trail percent too small", `{` + buy + `,"qty":1,"type":"trailing_stop","trail_percent":"0.05","time_in_force":"day"}`, 422, 40010001, "trail_percent must be greater than or equal to 0.1"},
		{"long client order ID", `{` + buy + `,"qty":1,"type":"market","time_in_force":"day","client_order_id":"` + strings.Repeat("x", 129) + `"}`, 422, 40010001, "client_order_id must be no more than 128 characters"},
		{"stop that is immediate", `{` + buy + `,"qty":1,"type":"stop","stop_price":5,"time_in_force":"ioc"}`, 422, 42210000, "invalid time_in_force for stop order"},
		{"unknown asset", `{"symbol":"NOSUCH","side":"buy","qty":1,"type":"market","time_in_force":"day"}`, 422, 42210000, `asset "NOSUCH" not found`},
		{"sub-penny limit", `{` + buy + `,"qty":1,"type":"limit","limit_price":"290.123","time_in_force":"day"}`, 422, 42210000, "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria"},
		{"sub-penny stop", `{` + buy + `,"qty":1,"type":"stop","stop_price":"0.12345","time_in_force":"day"}`, 422, 42210000, "invalid stop_price 0.12345. sub-penny increment does not fulfill minimum pricing criteria"},
		{"fraction good till canceled", `{` + buy + `,"qty":"1.5","type":"market","time_in_force":"gtc"}`, 422, 42210000, "fractional orders must be DAY orders"},
		{"fraction that trails", `{` + buy + `,"qty":"1.5","type":"trailing_stop","trail_price":1,"time_in_force":"day"}`, 422, 42210000, "fractional orders must be market, limit, stop, or stop_limit orders"},
		{"fraction sold short", `{"symbol":"AAPL","side":"sell","qty":"1.5","type":"market","time_in_force":"day"}`, 422, 42210000, "fractional orders cannot be sold short"},
		{"market in extended hours", `{` + buy + `,"qty":1,"type":"market","extended_hours":true,"time_in_force":"day"}`, 422, 42210000, "extended hours order must be DAY or GTC limit orders"},
		{"stop limit in extended hours", `{` + buy + `,"qty":1,"type":"stop_limit","stop_price":5,"limit_price":5,"extended_hours":true,"time_in_force":"day"}`, 422, 42210000, "stop_limit orders are not eligible for extended hours trading"},
		{"wrong intent", `{` + buy + `,"qty":1,"type":"market","time_in_force":"day","position_intent":"buy_to_close"}`, 422, 42210000, "position intent mismatch, inferred: buy_to_open, specified: buy_to_close"},
		{"advanced instructions", `{` + buy + `,"qty":1,"type":"market","time_in_force":"day","advanced_instructions":{"algorithm":"DMA"}}`, 403, 40310000, "account not allowed to use advanced_instructions"},
		{"too dear", `{` + buy + `,"qty":4001,"type":"limit","limit_price":"100","time_in_force":"day"}`, 403, 40310000, "insufficient buying power"},
		{"too cheap", `{` + buy + `,"qty":"0.001","type":"market","time_in_force":"day"}`, 403, 40310000, "cost basis must be >= minimal amount of order 1"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := instant(t)
			_, err := f.try(c.body)
			expectFailure(t, err, c.status, c.code, c.message)
			expect(t, "accepted orders", len(f.account.Accepted()), 0)
		})
	}
}

func TestClientOrderIDIsUniqueForEver(t *testing.T) {
	t.Parallel()
	f := instant(t)
	body := `{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"50","time_in_force":"day","client_order_id":"once"}`
	order := f.place(body)
	if err := f.account.Cancel(order.ID); err != nil {
		t.Fatal(err)
	}
	_, err := f.try(body)
	expectFailure(t, err, 422, 40010001, "client_order_id must be unique")
}

func TestWashTrades(t *testing.T) {
	t.Parallel()
	order := func(side, kind, limit, stop string) string {
		body := `{"symbol":"AAPL","qty":1,"side":"` + side + `","type":"` + kind + `","time_in_force":"gtc"`
		if limit != "" {
			body += `,"limit_price":"` + limit + `"`
		}
		if stop != "" {
			body += `,"stop_price":"` + stop + `"`
		}
		return body + `}`
	}
	cases := []struct {
		name, open, opposite string
		refused              bool
	}{
		{"stop against limit", order("sell", "stop", "", "90"), order("buy", "limit", "80", ""), true},
		{"limit against market", order("sell", "limit", "110", ""), order("buy", "market", "", ""), true},
		{"limit against stop", order("sell", "limit", "110", ""), order("buy", "stop", "", "120"), true},
		{"limits that cross", order("sell", "limit", "110", ""), order("buy", "limit", "110", ""), true},
		{"limits that do not cross", order("sell", "limit", "110", ""), order("buy", "limit", "109.99", ""), false},
		{"stop limit that crosses", order("sell", "limit", "110", ""), order("buy", "stop_limit", "111", "105"), true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := instant(t)
			f.place(`{"symbol":"AAPL","qty":5,"side":"buy","type":"market","time_in_force":"day"}`)
			f.place(c.open)
			_, err := f.try(c.opposite)
			if c.refused {
				expectFailure(t, err, 403, 40310000, "potential wash trade detected. use complex orders")
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestWashTradeBodyNamesTheOrder(t *testing.T) {
	t.Parallel()
	f := instant(t)
	open := f.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"90","time_in_force":"gtc"}`)
	_, err := f.try(`{"symbol":"AAPL","qty":1,"side":"sell","type":"market","time_in_force":"day"}`)
	want := `{"code":40310000,"existing_order_id":"` + open.ID + `","message":"potential wash trade detected. use complex orders",` +
		`"reject_reason":"opposite side limit order exists. use complex/limit/stop_limit orders"}`
	expect(t, "body", string(wire.ErrorOf(err).Append(nil)), want)
}

func TestInsufficientQuantityBody(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day"}`)
	stop := f.place(`{"symbol":"AAPL","qty":8,"side":"sell","type":"stop","stop_price":"90","time_in_force":"gtc"}`)
	_, err := f.try(`{"symbol":"AAPL","qty":3,"side":"sell","type":"market","time_in_force":"day"}`)
	want := `{"available":"2","code":40310000,"existing_qty":"10","held_for_orders":"8","message":"insufficient qty available` +
		` for order (requested: 3, available: 2)","related_orders":["` + stop.ID + `"],"symbol":"AAPL"}`
	expect(t, "body", string(wire.ErrorOf(err).Append(nil)), want)
}

func TestShorting(t *testing.T) {
	t.Parallel()
	const short = `{"symbol":"AAPL","qty":5,"side":"sell","type":"limit","limit_price":"120","time_in_force":"day"}`
	poor := newFloor(t, session.Real, exchange.Settings{FillLatency: -1}, "1999")
	_, err := poor.try(short)
	expectFailure(t, err, 403, 40310000, "account is not allowed to short")

	f := instant(t)
	if _, err := f.account.Configure([]byte(`{"no_shorting":true}`)); err != nil {
		t.Fatal(err)
	}
	_, err = f.try(short)
	expectFailure(t, err, 403, 40310000, "account is not allowed to short")
	if _, err := f.account.Configure([]byte(`{"no_shorting":false}`)); err != nil {
		t.Fatal(err)
	}
	f.place(short)
	_, err = f.try(`{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"90","time_in_force":"day"}`)
	expectFailure(t, err, 403, 40310000, "cannot open a long buy while a short sell order is open")
}

func TestSuspendedTrading(t *testing.T) {
	t.Parallel()
	f := instant(t)
	if _, err := f.account.Configure([]byte(`{"suspend_trade":true}`)); err != nil {
		t.Fatal(err)
	}
	_, err := f.try(`{"symbol":"AAPL","qty":1,"side":"buy","type":"market","time_in_force":"day"}`)
	expectFailure(t, err, 403, 40310000, "new orders are rejected by user request")
}

func TestConfigurationRefusesUnknownValues(t *testing.T) {
	t.Parallel()
	f := instant(t)
	for _, body := range []string{
		`{"max_margin_multiplier":"3"}`, `{"trade_confirm_email":"some"}`, `{"max_options_trading_level":4}`, `{"no_shorting":"x"}`, `[]`,
	} {
		if _, err := f.account.Configure([]byte(body)); err == nil {
			t.Errorf("%s was taken", body)
		}
	}
	expect(t, "multiplier", f.account.Configuration().MaxMarginMultiplier, "4")
}

// FuzzDecodeOrder: whatever the body, the account answers with an order or one of Alpaca's failures.
func FuzzDecodeOrder(f *testing.F) {
	for _, seed := range []string{
		`{"symbol":"AAPL","qty":"1","side":"buy","type":"market","time_in_force":"day"}`,
		`{"symbol":"AAPL","notional":10.5,"side":"sell","type":"limit","limit_price":"1e-5","time_in_force":"gtc"}`,
		`{"symbol":"AAPL","qty":null,"trail_percent":"","type":"trailing_stop","legs":[{}]}`,
		option(call270, "sell", "1", `"type":"limit","limit_price":"4.5","position_intent":"sell_to_open"`),
		mleg("2", `"limit","limit_price":"-1.5"`, leg(put260, "1", "sell_to_open"), leg(put250, "1", "buy_to_open")),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		request, err := exchange.DecodeOrder(body)
		if err == nil {
			_, err = instant(t).account.Submit(request)
		}
		if err != nil && wire.ErrorOf(err).Status >= 500 {
			t.Fatalf("%s: %v", body, err)
		}
	})
}

func FuzzDecodeReplace(f *testing.F) {
	f.Add([]byte(`{"qty":"2","limit_price":91,"trail":null,"time_in_force":"gtc"}`))
	f.Add([]byte(`{"qty":0.5,"client_order_id":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		floor := instant(t)
		order := floor.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"90","time_in_force":"day"}`)
		request, err := exchange.DecodeReplace(body)
		if err == nil {
			_, err = floor.account.Replace(order.ID, request)
		}
		if err != nil && wire.ErrorOf(err).Status >= 500 {
			t.Fatalf("%s: %v", body, err)
		}
	})
}
