package exchange_test

import (
	"strings"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
)

// Contracts on indices that expire on Friday, December 18th, 2026: in the morning, and at the close; and one that a corporate
// action changed.
const (
	morningCall = "SPX261218C06600000"
	closingCall = "SPXW261218C06600000"
	closingPut  = "XSP261218P00660000"
	laterCall   = "SPXW261211C06600000"
	adjustedPut = "T1261218P00030000"
)

// optionRefusals are the rows for single options of section 2.9.4.
func optionRefusals() []refusal {
	buy := func(rest string) string { return option(call270, "buy", "1", rest) }
	const spx = `"type":"limit","limit_price":"1"`
	return []refusal{
		forbidden("account not authorized to trade options", buy(atMarket)).configured(`{"max_options_trading_level":0}`),
		forbidden("account not eligible to trade long option contracts", buy(atMarket)).configured(`{"max_options_trading_level":1}`),
		forbidden("account not eligible for level2 options trading", buy(atMarket)).
			inside(worldWith("100000", func(s *exchange.Settings) { s.Disputed.OlderOptionTexts = true })).configured(`{"max_options_trading_level":1}`),
		forbidden("account not eligible to trade options: {symbol}", option(morningCall, "buy", "1", spx)).restricted(exchange.Restriction{OptionsRefused: []string{"SPX"}}),
		forbidden("account not eligible to trade spreads or uncovered contracts",
			option(call270, "sell", "1", atMarket)).after(option(call280, "buy", "1", atMarket)).configured(`{"max_options_trading_level":2}`),
		forbidden("account not eligible to trade uncovered option contracts", option(call270, "sell", "1", atMarket)),
		forbidden("account not eligible to trade uncovered option contracts", option(closingCall, "sell", "1", atMarket)).configured(`{"max_options_trading_level":1}`),
		forbidden("active assignment lock on {symbol}, cannot close all long options", option(call270, "sell", "2", atMarket)).
			after(option(call270, "buy", "2", atMarket)).restricted(exchange.Restriction{AssignmentLocks: []string{call270}}),
		forbidden("commission not allowed for account", buy(atMarket+`,"commission":"0.65"`)),
		forbidden("negative commission is prohibited", buy(atMarket+`,"commission":"-0.65"`)).privileged(exchange.Privilege{Commission: true}),
		forbidden("exceeded account limit for contracts expiring today (requested: {q}, held+open: {h}, limit: {l})", option(call270, "buy", "1", `"type":"limit","limit_price":"0.01"`)).
			when("2026-12-04T15:00:00Z").given(func(f *floor) {
			f.pinAt(call270, "0.02")
			f.place(option(call270, "buy", "10000", `"type":"limit","limit_price":"0.03"`))
		}),
		forbidden("insufficient options buying power (required: {required}, available: {available})", option(call270, "buy", "2000", `"type":"limit","limit_price":"5"`)).
			with(`"cost_basis":"1000000","options_buying_power":"100000"`),
		forbidden("insufficient options buying power", option(call270, "buy", "2000", `"type":"limit","limit_price":"5"`)).
			inside(worldWith("100000", func(s *exchange.Settings) { s.Disputed.OlderOptionTexts = true })).
			with(`"cost_basis":"1000000","options_buying_power":"100000"`),
		forbidden("insufficient options buying power for cash-secured put (required: {required}, available: {available})", option(put260, "sell", "4", atMarket)).
			with(`"buying_power":"100000","required_options_buying_power":"102820"`),
		forbidden("insufficient underlying qty available for covered call (required: {required}, available: {available})", option(call270, "sell", "1", atMarket)).
			configured(`{"max_options_trading_level":1}`).with(`"available_qty":"0","required_qty":"100","symbol":"` + call270 + `","underlying_asset_id":"{id}"`),

		rule("complex orders not supported for options trading", buy(`"type":"market","order_class":"bracket","take_profit":{"limit_price":"9"},"stop_loss":{"stop_price":"1"}`)),
		rule(`contract "{symbol}" expires soon, unable to open new positions`, buy(atMarket)).when("2026-12-04T20:30:00Z"),
		rule(`contract "{symbol}" is expired`, option("AAPL261120C00270000", "buy", "1", atMarket)),
		rule(`contract "{symbol}" is not active`, option("AAPL280121C00270000", "buy", "1", atMarket)),
		rule(`contract "{symbol}" is not tradable`, option("GE1261218C00290000", "buy", "1", atMarket)),
		rule(`contract "{symbol}" not found`, option("AAPL261204C00271234", "buy", "1", atMarket)),
		rule("extended hours is not supported for options trading", buy(`"type":"limit","limit_price":"5","extended_hours":true`)),
		rule("invalid contract", option("AAPL261399C00270000", "buy", "1", atMarket)),
		rule("invalid option order_type", buy(`"type":"stop","stop_price":"6"`)),
		rule("invalid option time_in_force", strings.Replace(buy(atMarket), `"day"`, `"ioc"`, 1)),
		rule("invalid order type for options trading", buy(`"type":"trailing_stop","trail_price":"1"`)),
		rule("notional orders are not supported for options trading", `{"symbol":"`+call270+`","notional":500,"side":"buy","type":"market","time_in_force":"day"}`),
		rule("options market orders are only allowed during market hours", buy(atMarket)).when(lateHour),
		rule("options order notional is {n} must be <= {limit}", option(call270, "buy", "10000", `"type":"limit","limit_price":"50"`)),
		rule("options order qty must be <= {max}", option(call270, "buy", "10001", atMarket)),
		rule("order_time_in_force provided not supported for options trading", strings.Replace(buy(atMarket), `"day"`, `"gtc"`, 1)),
		rule(`orders for morning-expiration index options cannot be placed after market close when expiration is the next trading day (contract "{symbol}")`,
			option(morningCall, "buy", "1", spx)).when("2026-12-17T21:00:00Z"),
		rule(`orders for morning-expiration index options cannot be placed on expiration day (contract "{symbol}")`, option(morningCall, "buy", "1", spx)).when("2026-12-18T14:00:00Z"),
		rule("position intent mismatch, inferred: {inferred}, specified: {specified}", buy(`"type":"market","position_intent":"buy_to_close"`)),
		rule("qty must be integer for options trading", option(call270, "buy", "1.5", atMarket)),
		rule("swap_fee_bps is not allowed for options trading", buy(`"type":"market","swap_fee_bps":"1"`)),
		rule(`underlying asset "{symbol}" not found`, option("NOSUCH261204C00270000", "buy", "1", atMarket)),
	}
}

// multiLegRefusals are the rows for multi-leg orders of sections 2.9.2 and 2.9.4, and those to cancel and replace them.
func multiLegRefusals() []refusal {
	long, short := leg(call270, "1", "buy_to_open"), leg(call280, "1", "sell_to_open")
	spread := func(kind string, legs ...string) string { return mleg("1", kind, legs...) }
	market := func(legs ...string) string { return spread(`"market"`, legs...) }
	waiting := spread(`"limit","limit_price":"0.50"`, long, short)
	on := func(verb string) exchange.Restriction { return exchange.Restriction{MultiLegDisabled: []string{verb}} }
	first := func(f *floor) exchange.Order { return f.get(f.account.Accepted()[0].ID) }
	return []refusal{
		forbidden("submit mleg order is disabled", market(long, short)).restricted(on("submit")),
		forbidden("cancel mleg order is disabled", "").after(waiting).restricted(on("cancel")).
			doing(func(f *floor) error { return f.account.Cancel(first(f).ID) }),
		forbidden("replace mleg order is disabled", "").after(waiting).restricted(on("replace")).doing(func(f *floor) error {
			_, err := f.account.Replace(first(f).ID, exchange.ReplaceRequest{LimitPrice: amountOf("0.60")})
			return err
		}),
		rule("leg order is already in {status} state", "").after(waiting).
			doing(func(f *floor) error { return f.account.Cancel(first(f).Legs[0].ID) }),
		rule("asset not found for {symbol}", market(long, leg("AAPL261204C00271234", "1", "sell_to_open"))),
		rule("equity legs are allowed only with a corresponding amount of call contracts", market(leg("AAPL", "100", "buy_to_open"), short)),
		rule("European-style option legs in a multi-leg order must have the same expiration date",
			market(leg(laterCall, "1", "buy_to_open"), leg(closingCall, "1", "sell_to_open"))),
		rule("invalid limit price", spread(`"limit","limit_price":"0.505"`, long, short)),
		rule("invalid time in force", strings.Replace(market(long, short), `"day"`, `"ioc"`, 1)),
		rule("leg.{i} position intent is required", market(long, `{"symbol":"`+call280+`","ratio_qty":"1","side":"sell"}`)),
		rule("limit price is only valid for limit orders", spread(`"market","limit_price":"1"`, long, short)),
		rule("limit price is required for limit orders", spread(`"limit"`, long, short)),
		rule("rolling contracts ambiguity", market(long, leg(call270, "1", "sell_to_close"))),
		rule("underlying asset mismatch: {underlying} != {asset}", market(long, leg(closingCall, "1", "sell_to_open"))),
		rule("mleg orders must have at least 2 legs and at most 4 legs", market(long)),
		rule("greatest common divisor of the legs' ratio_qty must be 1", market(leg(call270, "2", "buy_to_open"), leg(call280, "2", "sell_to_open"))),
		forbidden("account not eligible to trade uncovered option contracts", market(long, leg(call280, "2", "sell_to_open"))),
		forbidden("account not eligible to trade spreads or uncovered contracts", market(long, short)).configured(`{"max_options_trading_level":2}`),
		forbidden("account not authorized to trade options", market(long, short)).configured(`{"max_options_trading_level":0}`),
		forbidden("account not eligible to trade options: {symbol}", market(long, short)).restricted(exchange.Restriction{OptionsRefused: []string{"AAPL"}}),
		forbidden("active assignment lock on {symbol}, cannot close all long options", market(leg(call270, "1", "sell_to_close"), leg(call280, "1", "buy_to_close"))).
			after(market(long, short)).restricted(exchange.Restriction{AssignmentLocks: []string{call270}}),
	}
}

// exerciseRefusals are the rows for exercising and not exercising of section 2.9.4.
func exerciseRefusals() []refusal {
	buy := func(symbol, qty string) string { return option(symbol, "buy", qty, atMarket) }
	exercise := func(symbol, body string) func(*floor) error {
		return func(f *floor) error {
			request, err := exchange.DecodeExercise([]byte(body))
			if err != nil {
				return err
			}
			return f.account.Exercise(symbol, request)
		}
	}
	dismiss := func(symbol, body string) func(*floor) error {
		return func(f *floor) error {
			request, err := exchange.DecodeExercise([]byte(body))
			if err != nil {
				return err
			}
			return f.account.DoNotExercise(symbol, request)
		}
	}
	row := func(text, symbol, body string) refusal { return forbidden(text, "").doing(exercise(symbol, body)) }
	rise := func(f *floor) { f.price("300") }
	const lastDay = "2026-12-04T16:00:00Z"
	return []refusal{
		row("cannot exercise position marked as do-not-exercise", call270, "").after(buy(call270, "3")).when(lastDay).
			given(func(f *floor) { f.note(dismiss(call270, "")(f)) }),
		row("cannot exercise position with dne_qty greater than or equal to position qty (dne_qty: {dne_qty}, position qty: {position_qty})", call270, `{"qty":1}`).
			after(buy(call270, "3")).when(lastDay).given(func(f *floor) { f.note(dismiss(call270, `{"qty":3}`)(f)) }),
		row("early exercise is not allowed for European-style options", closingPut, "").after(buy(closingPut, "1")),
		row("exercise requests are not accepted after market close until midnight", call270, "").after(buy(call270, "1")).when(lateHour).given(rise),
		row("insufficient cash available (required: {required}, available: {available})", call270, "").after(buy(call270, "1")).
			inside(worldWith("1500", func(*exchange.Settings) {})).given(func(f *floor) { f.price("271") }),
		row("insufficient regt buying power (required: {required}, available: {available})", call270, "").after(buy(call270, "10")).given(rise),
		row("insufficient qty available (requested: {requested_qty}, available: {available_qty})", call270, `{"qty":2}`).after(buy(call270, "1")).given(rise),
		row("insufficient qty available to exercise after accounting for partial do-not-exercise (requested: {requested_qty}, dne_qty: {dne_qty}, available: {available_qty})", call270, `{"qty":2}`).
			after(buy(call270, "3")).when(lastDay).given(func(f *floor) { f.note(dismiss(call270, `{"qty":2}`)(f)) }),
		row("insufficient underlying qty available for deliverable: {symbol} (requested: {requested_qty}, available: {available_qty})", put260, "").
			after(buy(put260, "1")).given(func(f *floor) { f.price("250") }),
		row("no qty available to exercise", call270, "").after(buy(call270, "1"), option(call270, "sell", "1", `"type":"limit","limit_price":"90"`)).given(rise),
		row("you are attempting to exercise a non-standard option contract, please contact support@alpaca.markets to complete this request", adjustedPut, "").
			after(buy(adjustedPut, "1")),
		row("you are attempting to exercise an out of the money option contract, please contact support@alpaca.markets to complete this request", call270, "").
			after(buy(call270, "1")),
		missing("long position not found: {symbol}", exercise(call270, "")),
		rule("exercise commission not allowed for account", "").after(buy(call270, "1")).given(rise).doing(exercise(call270, `{"commission":"1"}`)),
		rule("negative exercise commission is prohibited", "").after(buy(call270, "1")).given(rise).doing(exercise(call270, `{"commission":"-1"}`)),
		rule("qty must be > 0", "").after(buy(call270, "1")).doing(exercise(call270, `{"qty":"0"}`)),
		rule("symbol missing", "").doing(exercise(" ", "")),

		forbidden("dne requests are not accepted after {time}", "").after(buy(call270, "1")).when("2026-12-04T20:30:00Z").doing(dismiss(call270, "")),
		forbidden("dne requests are only accepted on the expiration day of the option contract", "").after(buy(call270, "1")).doing(dismiss(call270, "")),
		forbidden("do-not-exercise is not applicable for European-style options", "").after(buy(closingPut, "1")).doing(dismiss(closingPut, "")),
		missing("long position not found: {symbol}", dismiss(call270, "")),
		rule("symbol missing", "").doing(dismiss("", "")),
		rule("qty must be > 0", "").after(buy(call270, "1")).when(lastDay).doing(dismiss(call270, `{"qty":"-1"}`)),
	}
}
