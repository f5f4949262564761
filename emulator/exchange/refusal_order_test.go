package exchange_test

import (
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
)

// Parts of order bodies.
const (
	buyAAPL  = `{"symbol":"AAPL","side":"buy","time_in_force":"day",`
	sellAAPL = `{"symbol":"AAPL","side":"sell","time_in_force":"day",`
	hold10   = buyAAPL + `"qty":10,"type":"market"}`
	coins    = `{"symbol":"BTC/USD","side":"buy","qty":"0.01","type":"market","time_in_force":"gtc"}`
	exits    = `"take_profit":{"limit_price":"290"},"stop_loss":{"stop_price":"250"}`
	lateHour = "2026-11-23T22:00:00Z"
)

// shapeRefusals are those of requests that are wrong in themselves: section 2.9.4, code 40010001.
func shapeRefusals() []refusal {
	return []refusal{
		shape("qty or notional is required", buyAAPL+`"type":"market"}`),
		shape("only one of qty or notional is accepted", buyAAPL+`"type":"market","qty":1,"notional":5}`),
		shape("qty must be > 0", buyAAPL+`"type":"market","qty":"0"}`),
		shape("limit price must be > 0", buyAAPL+`"type":"limit","qty":1,"limit_price":0}`),
		shape("invalid order type", buyAAPL+`"type":"iceberg","qty":1}`),
		shape("invalid side", `{"symbol":"AAPL","side":"hold","qty":1,"type":"market","time_in_force":"day"}`),
		shape("invalid time_in_force", `{"symbol":"AAPL","side":"buy","qty":1,"type":"market","time_in_force":"gtd"}`),
		shape("invalid crypto time_in_force", strings.Replace(coins, "gtc", "day", 1)),
		shape("limit orders require a limit price", buyAAPL+`"type":"limit","qty":1}`),
		shape("stop orders require a stop price", buyAAPL+`"type":"stop","qty":1}`),
		shape("stop limit orders require both stop and limit price", buyAAPL+`"type":"stop_limit","qty":1,"stop_price":9}`),
		shape("market orders require no stop or limit price", buyAAPL+`"type":"market","qty":1,"limit_price":9}`),
		shape("market orders must not have trail_price", buyAAPL+`"type":"market","qty":1,"trail_price":9}`),
		shape("trailing stop orders must specify one of trail_price or trail_percent", buyAAPL+`"type":"trailing_stop","qty":1}`),
		shape("trail_percent must be greater than or equal to 0.1", buyAAPL+`"type":"trailing_stop","qty":1,"trail_percent":"0.09"}`),
		shape("client_order_id must be unique", buyAAPL+`"type":"market","qty":1,"client_order_id":"once"}`).
			after(buyAAPL + `"type":"market","qty":1,"client_order_id":"once"}`),
		shape("client_order_id must be no more than 128 characters",
			buyAAPL+`"type":"market","qty":1,"client_order_id":"`+strings.Repeat("x", 129)+`"}`),
		shape("order_id is missing", "").doing(func(f *floor) error { return f.account.Cancel("one") }),
		shape("notional must be >= 1.00", buyAAPL+`"type":"market","notional":"0.99"}`),
		shape("bracket orders require take_profit.limit_price",
			buyAAPL+`"type":"market","qty":1,"order_class":"bracket","stop_loss":{"stop_price":"250"}}`),
		shape("bracket orders require stop_loss.stop_price",
			buyAAPL+`"type":"market","qty":1,"order_class":"bracket","take_profit":{"limit_price":"290"}}`),
		shape("oto orders require exactly one of take_profit.limit_price or stop_loss.stop_price",
			buyAAPL+`"type":"market","qty":1,"order_class":"oto",`+exits+`}`),
		shape("oco orders must be limit orders", sellAAPL+`"type":"market","qty":1,"order_class":"oco",`+exits+`}`).after(hold10),
		shape("pdt_check value is invalid", "").inside(worldWith("20000", formerRule)).doing(func(f *floor) error {
			_, err := f.account.Configure([]byte(`{"pdt_check":"never"}`))
			return err
		}),
	}
}

func formerRule(s *exchange.Settings) { s.Disputed.PatternDayTraderFields = true }

// ruleRefusals are those of a business rule: section 2.9.2 and 2.9.4, code 42210000.
func ruleRefusals() []refusal {
	sell := func(rest string) string { return sellAAPL + rest + `}` }
	buy := func(rest string) string { return buyAAPL + rest + `}` }
	in := func(timeInForce, rest string) string {
		return strings.Replace(buy(rest), `"time_in_force":"day"`, `"time_in_force":"`+timeInForce+`"`, 1)
	}
	return []refusal{
		rule("invalid {field} {price}. sub-penny increment does not fulfill minimum pricing criteria", buy(`"type":"limit","qty":1,"limit_price":"290.123"`)),
		rule("invalid stop_price {price}. sub-penny increment does not fulfill minimum pricing criteria", buy(`"type":"stop","qty":1,"stop_price":"0.12345"`)),
		rule("fractional orders must be DAY orders", in("gtc", `"type":"market","qty":"1.5"`)),
		rule("fractional orders must be simple orders", buy(`"type":"market","qty":"1.5","order_class":"bracket",`+exits)),
		rule("fractional orders must be market, limit, stop, or stop_limit orders", buy(`"type":"trailing_stop","qty":"1.5","trail_price":1`)),
		rule("fractional orders cannot be sold short", sell(`"type":"market","qty":"1.5"`)),
		rule("notional orders must be market orders", buy(`"type":"limit","notional":50,"limit_price":"90"`)),
		rule("extended hours order must be DAY or GTC limit orders", buy(`"type":"market","qty":1,"extended_hours":true`)),
		rule("stop_limit orders are not eligible for extended hours trading", buy(`"type":"stop_limit","qty":1,"stop_price":"5","limit_price":"5","extended_hours":true`)),
		rule(`asset "{symbol}" not found`, strings.Replace(hold10, "AAPL", "NOSUCH", 1)),
		rule("invalid symbol", strings.Replace(hold10, "AAPL", "A A", 1)),
		rule("position intent mismatch, inferred: {inferred}, specified: {specified}", buy(`"type":"market","qty":1,"position_intent":"sell_to_close"`)),
		rule("invalid order type for crypto order", `{"symbol":"BTC/USD","side":"buy","qty":"0.01","type":"stop","stop_price":"99999","time_in_force":"gtc"}`),
		rule("invalid time_in_force for {type} order", in("fok", `"type":"stop","qty":1,"stop_price":"300"`)),
		rule("advanced instructions only support DAY time_in_force", in("gtc", `"type":"limit","qty":1,"limit_price":"9","advanced_instructions":{"algorithm":"DMA"}`)).
			privileged(exchange.Privilege{AdvancedInstructions: true}),
		rule("FOK orders are not supported for algo destinations", in("fok", `"type":"limit","qty":1,"limit_price":"9","advanced_instructions":{"algorithm":"VWAP"}`)).
			privileged(exchange.Privilege{AdvancedInstructions: true}),
		rule("IOC orders are not supported for algo destinations", in("ioc", `"type":"limit","qty":1,"limit_price":"9","advanced_instructions":{"algorithm":"TWAP"}`)).
			privileged(exchange.Privilege{AdvancedInstructions: true}),
		rule("invalid advanced_instructions.algorithm", buy(`"type":"market","qty":1,"advanced_instructions":{"algorithm":"POV"}`)).
			privileged(exchange.Privilege{AdvancedInstructions: true}),

		rule("take_profit.limit_price must be > stop_loss.stop_price", buy(`"type":"market","qty":1,"order_class":"bracket","take_profit":{"limit_price":"250"},"stop_loss":{"stop_price":"260"}`)),
		rule("take_profit.limit_price must be < stop_loss.stop_price", sell(`"type":"market","qty":1,"order_class":"bracket",`+exits)),
		rule("stop_loss.stop_price must be <= base_price - 0.01", buy(`"type":"limit","qty":1,"limit_price":"250","order_class":"bracket",`+exits)).with(`"base_price":"250"`),
		rule("stop price must be less than current price", buy(`"type":"market","qty":1,"order_class":"oto","stop_loss":{"stop_price":"270"}`)).
			with(`"market_price":"270","stop_price":"270"`),
		rule("stop price must be greater than current price", sell(`"type":"market","qty":1,"order_class":"oto","stop_loss":{"stop_price":"270"}`)).
			with(`"market_price":"270","stop_price":"270"`),
		rule("bracket orders must be entry orders", buy(`"type":"market","qty":1,"order_class":"bracket",`+exits)).after(hold10),
		rule("oco orders must be exit orders", buy(`"type":"limit","qty":1,"order_class":"oco","take_profit":{"limit_price":"250"},"stop_loss":{"stop_price":"290"}`)),
		rule("bracket orders must be DAY or GTC orders", in("opg", `"type":"market","qty":1,"order_class":"bracket",`+exits)),
		rule("bracket orders are not eligible for extended hours trading", buy(`"type":"limit","qty":1,"limit_price":"260","extended_hours":true,"order_class":"bracket",`+exits)),
		rule("trailing_stop orders must be simple orders", buy(`"type":"trailing_stop","trail_price":1,"qty":1,"order_class":"oto","stop_loss":{"stop_price":"250"}`)),

		rule(`asset "{symbol}" cannot be sold short`, strings.Replace(sell(`"type":"market","qty":1`), "AAPL", "GME", 1)),
		rule(`asset "{symbol}" cannot be sold short`, sell(`"type":"market","qty":1`)).given(func(f *floor) { f.note(f.exchange.MakeHardToBorrow("AAPL")) }),
		rule(`only limit orders are accepted for ipo asset "{symbol}" before its first trade`, hold10).given(func(f *floor) { f.note(f.exchange.Offer("AAPL")) }),
		rule("otc orders must be DAY or GTC orders", `{"symbol":"TCEHY","side":"buy","qty":1,"type":"market","time_in_force":"ioc"}`),
		rule("otc orders must be market, limit, stop, or stop_limit orders", `{"symbol":"TCEHY","side":"buy","qty":1,"type":"trailing_stop","trail_price":1,"time_in_force":"day"}`),
		rule("limit price {price} is too far away from the current price", buy(`"type":"limit","qty":1,"limit_price":"134.99"`)).
			inside(worldWith("100000", func(s *exchange.Settings) { s.LimitPriceAway = *amountOf("0.5").Value })).
			with(`"limit_price":"134.99","market_price":"270"`),
	}
}

func (f *floor) note(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// accountRefusals are those that depend on the account: sections 2.9.2 to 2.9.4 and 2.9.6, status 403.
func accountRefusals() []refusal {
	sell := func(rest string) string { return sellAAPL + rest + `}` }
	const wash = `"existing_order_id":"{id}","reject_reason":"opposite side {type} order exists. use complex/limit/stop_limit orders"`
	const resting = `{"symbol":"AAPL","side":"sell","time_in_force":"gtc","qty":8,"type":"stop","stop_price":"200"}`
	poor := worldWith("1999", func(*exchange.Settings) {})
	return []refusal{
		forbidden("insufficient buying power", buyAAPL+`"qty":4001,"type":"limit","limit_price":"100"}`).with(`"buying_power":"400000","cost_basis":"400100"`),
		forbidden("cost basis must be >= minimal amount of order 1", buyAAPL+`"qty":"0.001","type":"market"}`).with(`"cost_basis":"{cost}"`),
		forbidden("cost basis must be >= minimal amount of order 10", `{"symbol":"BTC/USD","side":"buy","notional":"9.99","type":"market","time_in_force":"gtc"}`).with(`"cost_basis":"9.99"`),
		forbidden("order notional must be <= 200000", `{"symbol":"BTC/USD","side":"buy","notional":"200001","type":"market","time_in_force":"gtc"}`),
		forbidden("insufficient qty available for order (requested: {requested}, available: {available})", sell(`"qty":3,"type":"market"`)).
			after(hold10, resting).with(`"available":"2","existing_qty":"10","held_for_orders":"8","related_orders":["{id}"],"symbol":"AAPL"`),
		forbidden("insufficient balance for {coin} (requested: {requested}, available: {available})", `{"symbol":"BTCUSD","side":"sell","qty":"0.02","type":"market","time_in_force":"gtc"}`).
			after(coins).with(`"available":"0.009975","existing_qty":"0.009975","held_for_orders":"0","symbol":"BTC/USD"`),
		forbidden("potential wash trade detected. use complex orders", sell(`"qty":1,"type":"limit","limit_price":"250"`)).
			after(buyAAPL + `"qty":1,"type":"limit","limit_price":"250"}`).with(wash),
		forbidden(`asset "{symbol}" is not fractionable`, `{"symbol":"UVXY","side":"buy","notional":50,"type":"market","time_in_force":"day"}`),
		forbidden(`asset "{symbol}" is not tradable`, strings.Replace(hold10, "AAPL", "FAKEPACA", 1)),
		forbidden(`asset "{symbol}" is not tradable`, strings.Replace(hold10, "AAPL", "SPX", 1)),
		forbidden("account is not allowed to short", sell(`"qty":1,"type":"market"`)).inside(poor),
		forbidden("account is not allowed to short", sell(`"qty":1,"type":"market"`)).configured(`{"no_shorting":true}`),
		forbidden("unable to open new notional orders while having open closing position orders", sell(`"notional":50,"type":"market"`)).
			after(hold10).when(lateHour).given(func(f *floor) { f.place(sell(`"qty":1,"type":"market"`)) }),
		forbidden("opg orders must be submitted after 7:00pm and before 9:28am", strings.Replace(hold10, `"day"`, `"opg"`, 1)).when("2026-11-23T14:28:00Z"),
		forbidden("cls orders must be submitted after 7:00pm and before 3:55pm", strings.Replace(hold10, `"day"`, `"cls"`, 1)).when("2026-11-23T20:50:00Z"),
		forbidden("cannot open a long buy while a short sell order is open", buyAAPL+`"qty":1,"type":"limit","limit_price":"260"}`).
			after(sell(`"qty":1,"type":"limit","limit_price":"300"`)),
		forbidden("cannot open a short sell while a long buy order is open", sell(`"qty":1,"type":"limit","limit_price":"300"`)).
			after(buyAAPL + `"qty":1,"type":"limit","limit_price":"260"}`),
		forbidden("account is restricted to liquidation only", hold10).restricted(exchange.Restriction{LiquidationOnly: true}),
		forbidden("account is restricted to liquidation only", strings.Replace(hold10, "AAPL", "F", 1)).
			after(buyAAPL + `"qty":1450,"type":"market"}`).given(func(f *floor) { f.price("211") }),
		forbidden("account is not authorized to trade", hold10).restricted(exchange.Restriction{TradingBlocked: true}),
		forbidden("new orders are rejected by user request", hold10).configured(`{"suspend_trade":true}`),
		forbidden("fractional trading is disabled for this account", buyAAPL+`"notional":50,"type":"market"}`).configured(`{"fractional_trading":false}`),
		forbidden("account not allowed to use advanced_instructions", buyAAPL+`"qty":1,"type":"market","advanced_instructions":{"algorithm":"DMA"}}`),
		forbidden("commission not allowed for account", buyAAPL+`"qty":1,"type":"market","commission":"1"}`),
		forbidden("negative commission is prohibited", buyAAPL+`"qty":1,"type":"market","commission":"-1"}`),
		{
			text: "trade denied due to pattern day trading protection", status: 403, code: 40310100,
			on: worldWith("20000", formerRule), setup: func(f *floor) { f.dayTrade(3) }, before: []string{hold10}, body: sell(`"qty":10,"type":"market"`),
		},
		forbidden("insufficient day trading buying power", buyAAPL+`"qty":400,"type":"limit","limit_price":"270"}`).inside(worldWith("26000", formerRule)).
			given(func(f *floor) { f.dayTrade(4) }).
			with(`"day_trading_buying_power":"104000","max_dtbp_used":"108000","max_dtbp_used_so_far":"{peak}","symbol":"AAPL"`),
	}
}

// dayTrade opens and closes a position as often.
func (f *floor) dayTrade(times int) {
	f.t.Helper()
	for range times {
		f.place(strings.Replace(buyAAPL, "AAPL", "F", 1) + `"qty":1,"type":"market"}`)
		f.place(strings.Replace(sellAAPL, "AAPL", "F", 1) + `"qty":1,"type":"market"}`)
	}
}

// lifeRefusals are those of requests about orders and positions that are there: sections 2.6 to 2.8 and 2.9.4.
func lifeRefusals() []refusal {
	const resting = `{"symbol":"AAPL","side":"buy","time_in_force":"gtc","qty":10,"type":"limit","limit_price":"250"}`
	last := func(f *floor) string { return f.account.Accepted()[len(f.account.Accepted())-1].ID }
	replace := func(change exchange.ReplaceRequest) func(*floor) error {
		return func(f *floor) error {
			_, err := f.account.Replace(last(f), change)
			return err
		}
	}
	cancel := func(f *floor) error { return f.account.Cancel(last(f)) }
	limit := exchange.ReplaceRequest{LimitPrice: amountOf("251")}
	replaceOld := func(f *floor) error {
		_, err := f.account.Replace(f.account.Accepted()[0].ID, limit)
		return err
	}
	// slowly is a floor whose venue has acknowledged an order and answers nothing from then on.
	slowly := func(t *testing.T) *floor {
		t.Helper()
		f := worldWith("100000", func(s *exchange.Settings) { s.FillLatency = 1 << 40 })(t)
		f.at("2026-11-23T12:00:00Z")
		f.place(resting)
		f.at("2026-11-23T15:00:00Z")
		return f
	}
	const unknown = "99999999-2222-3333-4444-555555555555"
	return []refusal{
		rule("cannot replace order in {status} status", "").after(hold10).doing(replace(exchange.ReplaceRequest{Qty: amountOf("11")})),
		rule("order already replaced", "").after(resting).given(func(f *floor) { f.note(replace(limit)(f)) }).doing(replaceOld),
		rule("order chain not fully replaced", "").inside(slowly).given(func(f *floor) { f.note(replaceOld(f)) }).doing(replace(limit)),
		rule("order chain not fully replaced", "").inside(slowly).given(func(f *floor) { f.note(replaceOld(f)) }).doing(cancel),
		rule("order parameters are not changed", "").after(resting).doing(replace(exchange.ReplaceRequest{Qty: amountOf("10")})),
		rule("qty must be > filled_qty", "").inside(worldWith("100000", func(s *exchange.Settings) { s.FillLatency, s.PartialFillProbability = 1<<40, 1 })).
			given(func(f *floor) {
				f.at("2026-11-23T12:00:00Z")
				f.place(strings.Replace(resting, "250", "271", 1))
				f.at("2026-11-23T15:00:00Z")
			}).doing(func(f *floor) error {
			filled := f.get(last(f)).FilledQty
			return replace(exchange.ReplaceRequest{Qty: exchange.Amount{Value: &filled}})(f)
		}),
		rule("qty must be integer", "").after(resting).doing(replace(exchange.ReplaceRequest{Qty: amountOf("1.5")})),
		rule("qty cannot be changed for advanced orders", "").after(`{"symbol":"AAPL","side":"buy","time_in_force":"gtc","qty":10,"type":"limit","limit_price":"260","order_class":"bracket",` + exits + `}`).
			doing(func(f *floor) error {
				_, err := f.account.Replace(f.account.Accepted()[0].ID, exchange.ReplaceRequest{Qty: amountOf("11")})
				return err
			}),
		rule("notional orders cannot be replaced", "").inside(worldWith("100000", func(s *exchange.Settings) { s.Disputed.WideNotional = true })).
			after(buyAAPL + `"notional":50,"type":"limit","limit_price":"250"}`).doing(replace(limit)),
		rule(`order is already in "{status}" state`, "").after(hold10).doing(cancel),
		rule("order pending cancel", "").inside(slowly).given(func(f *floor) { f.note(cancel(f)) }).doing(cancel),
		rule("order pending replace", "").inside(slowly).given(func(f *floor) { f.note(replaceOld(f)) }).
			doing(func(f *floor) error { return f.account.Cancel(f.account.Accepted()[0].ID) }),
		missing("order not found for {id}", func(f *floor) error { return f.account.Cancel(unknown) }),
		missing("position does not exist", func(f *floor) error {
			_, err := f.account.Position("AAPL")
			return err
		}),
		missing("symbol not found: {symbol}", func(f *floor) error {
			_, err := f.account.Position("NOSUCH")
			return err
		}),
		shape("only one of qty or percentage is accepted", "").after(hold10).doing(func(f *floor) error {
			_, err := f.account.ClosePosition("AAPL", exchange.Closing{Qty: amountOf("1").Value, Percentage: amountOf("1").Value})
			return err
		}),
	}
}
