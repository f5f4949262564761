package order_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

const (
	// call, cover and put are contracts of AAPL that are alive at opening().
	call  = "AAPL261218C00190000"
	cover = "AAPL261218C00200000"
	put   = "AAPL261218P00180000"

	optionOrder = `{"symbol":"` + call + `","qty":1,"side":"buy","type":"limit","limit_price":"1.25"}`
	cryptoOrder = `{"symbol":"BTC/USD","qty":"0.001","side":"buy","type":"market"}`
	spreadOrder = `{"order_class":"mleg","qty":1,"type":"limit","limit_price":"0.80","legs":[` +
		`{"symbol":"` + call + `","ratio_qty":1,"position_intent":"buy_to_open"},` +
		`{"symbol":"` + cover + `","ratio_qty":1,"side":"sell","position_intent":"sell_to_open"}]}`
)

// judgeClass validates body with changes and wants a refusal that names field, or none for "".
func judgeClass(t *testing.T, assetClass, body, changes, field string) {
	t.Helper()
	merged := with(t, body, changes)
	_, err := orderfn.Validate(assetClass, decodeOrder(t, merged), opening())
	if field == "" {
		if err != nil {
			t.Fatalf("%s: %v", merged, err)
		}
		return
	}
	var refused *problem.Error
	if !errors.As(err, &refused) || refused.Kind != problem.InvalidRequest {
		t.Fatalf("%s: got %v, want an INVALID_REQUEST", merged, err)
	}
	if refused.Details["field"] != field || !strings.Contains(refused.Message, field) {
		t.Fatalf("%s: got %q with %v, want one that names %s", merged, refused.Message, refused.Details, field)
	}
}

func checkClass(t *testing.T, assetClass, body string, rules []rule) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			judgeClass(t, assetClass, body, r.changes, r.field)
		})
	}
}

func TestValidateIntent(t *testing.T) {
	t.Parallel()
	check(t, []rule{
		{"buy to close", `{"position_intent":"buy_to_close"}`, ""},
		{"a buy can't sell", `{"position_intent":"sell_to_close"}`, "position_intent"},
		{"a sell can't buy", `{"side":"sell","position_intent":"buy_to_open"}`, "position_intent"},
		{"sell to open", `{"side":"sell","position_intent":"sell_to_open"}`, ""},
		{"legs", `{"legs":[{"symbol":"` + call + `"}]}`, "legs"},
	})
}

func TestValidateOption(t *testing.T) {
	t.Parallel()
	checkClass(t, event.AssetClassUSOption, optionOrder, []rule{
		{"limit", `{}`, ""},
		{"lower case", `{"symbol":"` + strings.ToLower(call) + `"}`, ""},
		{"market", `{"type":"market","limit_price":null}`, ""},
		{"stop", `{"type":"stop","limit_price":null,"stop_price":"1.5"}`, ""},
		{"stop limit", `{"type":"stop_limit","stop_price":"1.5"}`, ""},
		{"trailing stop", `{"type":"trailing_stop","limit_price":null,"trail_price":1}`, "type"},
		{"stock symbol", `{"symbol":"AAPL"}`, "symbol"},
		{"no symbol", `{"symbol":null}`, "symbol"},
		{"expired", `{"symbol":"AAPL261120C00190000"}`, "symbol"},
		{"expires today", `{"symbol":"AAPL261123C00190000"}`, ""},
		{"gtc", `{"time_in_force":"gtc"}`, ""},
		{"ioc", `{"time_in_force":"ioc"}`, "time_in_force"},
		{"opg", `{"time_in_force":"opg"}`, "time_in_force"},
		{"half a contract", `{"qty":"0.5"}`, "qty"},
		{"no contract", `{"qty":0}`, "qty"},
		{"no quantity", `{"qty":null}`, "qty"},
		{"notional", `{"qty":null,"notional":100}`, "notional"},
		{"extended hours", `{"extended_hours":true}`, "extended_hours"},
		{"tenth of a cent", `{"limit_price":"0.125"}`, "limit_price"},
		{"negative limit", `{"limit_price":-1}`, "limit_price"},
		{"no limit", `{"limit_price":null}`, "limit_price"},
		{"limit of a market order", `{"type":"market"}`, "limit_price"},
		{"bracket", `{"order_class":"bracket"}`, "order_class"},
		{"take profit", `{"take_profit":{"limit_price":2}}`, "take_profit"},
		{"stop loss", `{"stop_loss":{"stop_price":1}}`, "stop_loss"},
		{"intent", `{"position_intent":"buy_to_close"}`, ""},
		{"intent of the other side", `{"position_intent":"sell_to_close"}`, "position_intent"},
		{"legs of a simple order", `{"legs":[{"symbol":"` + put + `"}]}`, "legs"},
		{"long client order ID", `{"client_order_id":"` + strings.Repeat("x", orderfn.MaxClientOrderID+1) + `"}`, "client_order_id"},
	})
}

// TestExpiryIsNewYorks: a contract lives until its last trading day is over in New York, by either offset.
func TestExpiryIsNewYorks(t *testing.T) {
	t.Parallel()
	r := decodeOrder(t, with(t, optionOrder, `{"symbol":"AAPL261127C00190000"}`))
	for at, expired := range map[string]bool{"2026-11-27T21:00:00Z": false, "2026-11-28T04:59:59Z": false, "2026-11-28T05:00:00Z": true} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := orderfn.Validate(event.AssetClassUSOption, r, now); (err != nil) != expired {
			t.Errorf("%s: %v", at, err)
		}
	}
}

func leg(symbol, ratio, intent string) string {
	return `{"symbol":"` + symbol + `","ratio_qty":` + ratio + `,"position_intent":"` + intent + `"}`
}

func legs(of ...string) string { return `{"legs":[` + strings.Join(of, ",") + `]}` }

func TestValidateMultileg(t *testing.T) {
	t.Parallel()
	long, short := leg(call, "1", "buy_to_open"), leg(cover, "1", "sell_to_open")
	checkClass(t, event.AssetClassUSOption, spreadOrder, []rule{
		{"spread", `{}`, ""},
		{"credit", `{"limit_price":"-0.80"}`, ""},
		{"market", `{"type":"market","limit_price":null}`, ""},
		{"gtc", `{"time_in_force":"gtc"}`, ""},
		{"ratio", legs(leg(call, "1", "buy_to_open"), leg(cover, "2", "buy_to_open")), ""},
		{"straddle bought", legs(long, leg(put, "1", "buy_to_open")), ""},
		{"closed", legs(leg(call, "1", "sell_to_close"), leg(cover, "1", "buy_to_close")), ""},
		{"rolled", legs(leg(call, "1", "buy_to_close"), leg("AAPL270115C00190000", "1", "sell_to_open")), ""},
		{"iron condor", legs(long, short, leg(put, "1", "sell_to_open"), leg("AAPL261218P00170000", "1", "buy_to_open")), ""},
		{"weeklies of an index", legs(leg("SPX261218C06000000", "1", "buy_to_open"), leg("SPXW261204C06100000", "1", "sell_to_open")), ""},
		{"one leg", legs(long), "legs"},
		{"no legs", `{"legs":null}`, "legs"},
		{"five legs", legs(long, short, long, short, long), "legs"},
		{"the same leg twice", legs(long, leg(call, "1", "sell_to_open")), "legs[1].symbol"},
		{"another underlying", legs(long, leg("MSFT261218C00400000", "1", "sell_to_open")), "legs[1].symbol"},
		{"a stock leg", legs(long, leg("AAPL", "100", "sell_to_close")), "legs[1].symbol"},
		{"an expired leg", legs(long, leg("AAPL261120C00190000", "1", "sell_to_open")), "legs[1].symbol"},
		{"common divisor", legs(leg(call, "2", "buy_to_open"), leg(cover, "4", "sell_to_open")), "legs[0].ratio_qty"},
		{"fractional ratio", legs(long, leg(cover, "1.5", "sell_to_open")), "legs[1].ratio_qty"},
		{"no ratio", legs(long, `{"symbol":"`+cover+`","position_intent":"sell_to_open"}`), "legs[1].ratio_qty"},
		{"no intent", legs(long, `{"symbol":"`+cover+`","ratio_qty":1,"side":"sell"}`), "legs[1].position_intent"},
		{"side against intent", legs(long, `{"symbol":"`+cover+`","ratio_qty":1,"side":"buy","position_intent":"sell_to_open"}`), "legs[1].side"},
		{"uncovered", legs(leg(call, "1", "buy_to_open"), leg(cover, "2", "sell_to_open")), "legs[1].position_intent"},
		{"a put covers no call", legs(short, leg(put, "1", "buy_to_open")), "legs[0].position_intent"},
		{"symbol of the whole", `{"symbol":"AAPL"}`, "symbol"},
		{"side of the whole", `{"side":"buy"}`, "side"},
		{"intent of the whole", `{"position_intent":"buy_to_open"}`, "position_intent"},
		{"stop", `{"type":"stop","limit_price":null,"stop_price":1}`, "type"},
		{"ioc", `{"time_in_force":"ioc"}`, "time_in_force"},
		{"no limit", `{"limit_price":null}`, "limit_price"},
		{"limit of a market order", `{"type":"market"}`, "limit_price"},
		{"tenth of a cent", `{"limit_price":"0.805"}`, "limit_price"},
		{"half a unit", `{"qty":"0.5"}`, "qty"},
		{"notional", `{"qty":null,"notional":100}`, "notional"},
		{"extended hours", `{"extended_hours":true}`, "extended_hours"},
		{"take profit", `{"take_profit":{"limit_price":2}}`, "take_profit"},
	})
}

func TestValidateCrypto(t *testing.T) {
	t.Parallel()
	checkClass(t, event.AssetClassCrypto, cryptoOrder, []rule{
		{"market", `{}`, ""},
		{"without the slash", `{"symbol":"btcusd"}`, ""},
		{"notional", `{"qty":null,"notional":"10"}`, ""},
		{"limit", `{"type":"limit","limit_price":"63930.123456"}`, ""},
		{"stop limit", `{"type":"stop_limit","limit_price":60000,"stop_price":60100}`, ""},
		{"ioc", `{"time_in_force":"ioc"}`, ""},
		{"stop", `{"type":"stop","stop_price":60000}`, "type"},
		{"trailing stop", `{"type":"trailing_stop","trail_price":1}`, "type"},
		{"day", `{"time_in_force":"day"}`, "time_in_force"},
		{"fok", `{"time_in_force":"fok"}`, "time_in_force"},
		{"stock", `{"symbol":"AAPL"}`, "symbol"},
		{"bracket", `{"order_class":"bracket"}`, "order_class"},
		{"multi-leg", `{"order_class":"mleg"}`, "order_class"},
		{"take profit", `{"take_profit":{"limit_price":70000}}`, "take_profit"},
		{"extended hours", `{"extended_hours":true}`, "extended_hours"},
		{"sold short", `{"side":"sell","position_intent":"sell_to_open"}`, "position_intent"},
		{"sell", `{"side":"sell","position_intent":"sell_to_close"}`, ""},
		{"nine digits", `{"qty":"0.000000001"}`, ""},
		{"ten digits", `{"qty":"0.0000000001"}`, "qty"},
		{"too little", `{"qty":null,"notional":"9.99"}`, "notional"},
		{"little of a pair in bitcoin", `{"symbol":"ETH/BTC","qty":null,"notional":"1"}`, ""},
		{"too much", `{"qty":null,"notional":"200000.01"}`, "notional"},
		{"too much at the limit", `{"qty":4,"type":"limit","limit_price":50001}`, "qty"},
		{"limit of a market order", `{"limit_price":60000}`, "limit_price"},
		{"negative limit", `{"type":"limit","limit_price":-1}`, "limit_price"},
		{"both amounts", `{"notional":10}`, "notional"},
	})
}

// TestValidateFillsIn: what the caller leaves out, and the form of symbols.
func TestValidateFillsIn(t *testing.T) {
	t.Parallel()
	crypto, err := orderfn.Validate(event.AssetClassCrypto, decodeOrder(t, with(t, cryptoOrder, `{"symbol":"ethusd"}`)), opening())
	if err != nil || crypto.Symbol != "ETH/USD" || crypto.TimeInForce != "gtc" {
		t.Errorf("%+v, %v", crypto, err)
	}
	spread, err := orderfn.Validate(event.AssetClassUSOption, decodeOrder(t, spreadOrder), opening())
	if err != nil || len(spread.Legs) != 2 || spread.Legs[0].Side != "buy" || spread.Legs[1].RatioQty.String() != "1" || spread.TimeInForce != "day" {
		t.Errorf("%+v, %v", spread, err)
	}
	if _, err := orderfn.Validate("bond", decodeOrder(t, market), opening()); !errors.Is(err, problem.InvalidRequest) {
		t.Errorf("an unknown asset class: %v", err)
	}
}
