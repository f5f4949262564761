package order_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// market is the smallest order there is; the cases change a field or two of it.
const market = `{"symbol":"AAPL","qty":1,"side":"buy","type":"market"}`

// with returns the order with fields changed; null stands for "not given".
func with(t testing.TB, body, changes string) string {
	t.Helper()
	fields := map[string]json.RawMessage{}
	for _, text := range []string{body, changes} {
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	merged, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(merged)
}

func decodeOrder(t testing.TB, body string) order.OrderRequest {
	t.Helper()
	var r order.OrderRequest
	if err := serve.DecodeJSON([]byte(body), &r); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

// judge validates market with changes and wants a refusal that names field, or none for "".
func judge(t *testing.T, changes, field string) {
	t.Helper()
	body := with(t, market, changes)
	_, err := orderfn.ValidateStock(decodeOrder(t, body))
	if field == "" {
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return
	}
	var refused *problem.Error
	if !errors.As(err, &refused) || refused.Kind != problem.InvalidRequest {
		t.Fatalf("%s: got %v, want an INVALID_REQUEST", body, err)
	}
	if refused.Details["field"] != field || !strings.Contains(refused.Message, field) {
		t.Fatalf("%s: got %q with %v, want one that names %s", body, refused.Message, refused.Details, field)
	}
}

type rule struct{ name, changes, field string }

func check(t *testing.T, rules []rule) {
	t.Helper()
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			judge(t, r.changes, r.field)
		})
	}
}

func TestValidateNames(t *testing.T) {
	t.Parallel()
	check(t, []rule{
		{"market order", `{}`, ""},
		{"no symbol", `{"symbol":null}`, "symbol"},
		{"malformed symbol", `{"symbol":"AA PL"}`, "symbol"},
		{"option symbol", `{"symbol":"AAPL261218C00190000"}`, "symbol"},
		{"crypto pair", `{"symbol":"BTC/USD"}`, "symbol"},
		{"class share", `{"symbol":"BRK.B"}`, ""},
		{"no side", `{"side":null}`, "side"},
		{"unknown side", `{"side":"short"}`, "side"},
		{"side in capitals", `{"side":"BUY"}`, "side"},
		{"sell", `{"side":"sell"}`, ""},
		{"no type", `{"type":null}`, "type"},
		{"unknown type", `{"type":"iceberg"}`, "type"},
		{"unknown time in force", `{"time_in_force":"gtd"}`, "time_in_force"},
		{"unknown order class", `{"order_class":"spread"}`, "order_class"},
		{"multi-leg class", `{"order_class":"mleg"}`, "order_class"},
		{"simple class", `{"order_class":"simple"}`, ""},
		{"unknown position intent", `{"position_intent":"open"}`, "position_intent"},
		{"position intent", `{"position_intent":"buy_to_open"}`, ""},
	})
}

// TestValidateTimeInForce is Alpaca's table of order types by time in force, for whole shares.
func TestValidateTimeInForce(t *testing.T) {
	t.Parallel()
	types := map[string]string{
		"market": `{}`, "limit": `{"type":"limit","limit_price":10}`, "stop": `{"type":"stop","stop_price":10}`,
		"stop_limit":    `{"type":"stop_limit","limit_price":10,"stop_price":10}`,
		"trailing_stop": `{"type":"trailing_stop","trail_price":1}`,
	}
	for name, changes := range types {
		for _, tif := range []string{"day", "gtc", "opg", "cls", "ioc", "fok"} {
			t.Run(name+" "+tif, func(t *testing.T) {
				t.Parallel()
				field := "time_in_force"
				if tif == "day" || tif == "gtc" || name == "market" || name == "limit" {
					field = ""
				}
				judge(t, with(t, changes, `{"time_in_force":"`+tif+`"}`), field)
			})
		}
	}
}

func TestValidateAmount(t *testing.T) {
	t.Parallel()
	check(t, []rule{
		{"neither", `{"qty":null}`, "qty"},
		{"both", `{"notional":10}`, "notional"},
		{"zero", `{"qty":0}`, "qty"},
		{"zero with digits", `{"qty":"0.000"}`, "qty"},
		{"negative", `{"qty":-1}`, "qty"},
		{"nine digits", `{"qty":"0.000000001"}`, ""},
		{"ten digits", `{"qty":"0.0000000001"}`, "qty"},
		{"trailing zeros are no digits", `{"qty":"1.00000000000"}`, ""},
		{"exponent", `{"qty":1e2}`, ""},
		{"notional", `{"qty":null,"notional":"1"}`, ""},
		{"notional under a dollar", `{"qty":null,"notional":"0.99"}`, "notional"},
		{"negative notional", `{"qty":null,"notional":-5}`, "notional"},
		{"notional with ten digits", `{"qty":null,"notional":"1.0000000001"}`, "notional"},
	})
}

func TestValidatePrices(t *testing.T) {
	t.Parallel()
	check(t, []rule{
		{"limit without its price", `{"type":"limit"}`, "limit_price"},
		{"limit with a stop price", `{"type":"limit","limit_price":10,"stop_price":9}`, "stop_price"},
		{"market with a limit price", `{"limit_price":10}`, "limit_price"},
		{"market with a stop price", `{"stop_price":10}`, "stop_price"},
		{"stop without its price", `{"type":"stop"}`, "stop_price"},
		{"stop with a limit price", `{"type":"stop","stop_price":10,"limit_price":9}`, "limit_price"},
		{"stop limit without limit", `{"type":"stop_limit","stop_price":10}`, "limit_price"},
		{"stop limit without stop", `{"type":"stop_limit","limit_price":10}`, "stop_price"},
		{"trailing stop with a stop price", `{"type":"trailing_stop","trail_price":1,"stop_price":9}`, "stop_price"},
		{"zero limit", `{"type":"limit","limit_price":0}`, "limit_price"},
		{"negative stop", `{"type":"stop","stop_price":-1}`, "stop_price"},
		{"two digits at a dollar", `{"type":"limit","limit_price":"1.01"}`, ""},
		{"sub-penny at a dollar", `{"type":"limit","limit_price":"1.001"}`, "limit_price"},
		{"sub-penny of Alpaca's own example", `{"type":"limit","limit_price":"290.123"}`, "limit_price"},
		{"four digits below a dollar", `{"type":"limit","limit_price":"0.9999"}`, ""},
		{"five digits below a dollar", `{"type":"limit","limit_price":"0.99999"}`, "limit_price"},
		{"sub-penny stop", `{"type":"stop","stop_price":"10.125"}`, "stop_price"},
		{"trailing zeros", `{"type":"limit","limit_price":"10.1200"}`, ""},
	})
}

func TestValidateTrail(t *testing.T) {
	t.Parallel()
	check(t, []rule{
		{"price", `{"type":"trailing_stop","trail_price":"0.5"}`, ""},
		{"percent", `{"type":"trailing_stop","trail_percent":"0.1"}`, ""},
		{"neither", `{"type":"trailing_stop"}`, "trail_price"},
		{"both", `{"type":"trailing_stop","trail_price":1,"trail_percent":1}`, "trail_price"},
		{"percent too small", `{"type":"trailing_stop","trail_percent":"0.09"}`, "trail_percent"},
		{"zero price", `{"type":"trailing_stop","trail_price":0}`, "trail_price"},
		{"negative percent", `{"type":"trailing_stop","trail_percent":-1}`, "trail_percent"},
		{"price on a market order", `{"trail_price":1}`, "trail_price"},
		{"percent on a limit order", `{"type":"limit","limit_price":1,"trail_percent":1}`, "trail_percent"},
	})
}

// TestValidateTrailNamesTheSameField: with two faults a caller must not see another answer at each try.
func TestValidateTrailNamesTheSameField(t *testing.T) {
	t.Parallel()
	for range 50 {
		judge(t, `{"trail_price":1,"trail_percent":1}`, "trail_price")
	}
}

func TestValidateFractions(t *testing.T) {
	t.Parallel()
	check(t, []rule{
		{"fraction", `{"qty":"0.5"}`, ""},
		{"fraction of a limit order", `{"qty":"0.5","type":"limit","limit_price":10}`, ""},
		{"fraction of a stop order", `{"qty":"0.5","type":"stop","stop_price":10}`, ""},
		{"fraction gtc", `{"qty":"0.5","time_in_force":"gtc"}`, "time_in_force"},
		{"notional ioc", `{"qty":null,"notional":5,"time_in_force":"ioc"}`, "time_in_force"},
		{"fraction of a trailing stop", `{"qty":"0.5","type":"trailing_stop","trail_price":1}`, "qty"},
		{"notional trailing stop", `{"qty":null,"notional":5,"type":"trailing_stop","trail_price":1}`, "notional"},
		{"fraction of a bracket", `{"qty":"0.5","order_class":"bracket","take_profit":{"limit_price":20},"stop_loss":{"stop_price":5}}`, "order_class"},
		{"fraction, simple", `{"qty":"0.5","order_class":"simple"}`, ""},
	})
}

func TestValidateExtendedHours(t *testing.T) {
	t.Parallel()
	const limit = `{"type":"limit","limit_price":10,"extended_hours":true}`
	check(t, []rule{
		{"limit day", limit, ""},
		{"limit gtc", with(t, limit, `{"time_in_force":"gtc"}`), ""},
		{"limit opg", with(t, limit, `{"time_in_force":"opg"}`), "extended_hours"},
		{"limit ioc", with(t, limit, `{"time_in_force":"ioc"}`), "extended_hours"},
		{"market", `{"extended_hours":true}`, "extended_hours"},
		{"stop limit", `{"type":"stop_limit","limit_price":10,"stop_price":10,"extended_hours":true}`, "extended_hours"},
		{"fraction", with(t, limit, `{"qty":"0.5"}`), ""},
	})
}

func TestValidateClientOrderID(t *testing.T) {
	t.Parallel()
	id := func(text string) string {
		encoded, err := json.Marshal(map[string]string{"client_order_id": text})
		if err != nil {
			t.Fatal(err)
		}
		return string(encoded)
	}
	check(t, []rule{
		{"longest", id(strings.Repeat("x", orderfn.MaxClientOrderID)), ""},
		{"too long", id(strings.Repeat("x", orderfn.MaxClientOrderID+1)), "client_order_id"},
		{"spaces and punctuation", id("my order: #1 {a}"), ""},
		{"line break", id("a\nb"), "client_order_id"},
		{"not ASCII", id("größe"), "client_order_id"},
		{"NUL", id("a\x00"), "client_order_id"},
	})
}

func TestValidateCanonicalForm(t *testing.T) {
	t.Parallel()
	got, err := orderfn.ValidateStock(decodeOrder(t, with(t, market, `{"symbol":"brk.b","qty":"1.500"}`)))
	if err != nil {
		t.Fatal(err)
	}
	if got.Symbol != "BRK.B" || got.TimeInForce != "day" || got.Qty.String() != "1.5" {
		t.Fatalf("got %+v", got)
	}
}

// TestAcceptedOrderSurvivesItsStorage: what validateStock accepts is stored as JSON with its intent; the sweeper must
// read the very same request back.
func TestAcceptedOrderSurvivesItsStorage(t *testing.T) {
	t.Parallel()
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		request, err := orderfn.ValidateStock(drawOrder(t))
		if err != nil {
			var refused *problem.Error
			if !errors.As(err, &refused) || refused.Details["field"] == "" {
				t.Fatalf("a refusal without a field: %v", err)
			}
			return
		}
		accepted++
		encoded, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		var again alpaca.OrderRequest
		if err := json.Unmarshal(encoded, &again); err != nil {
			t.Fatal(err)
		}
		encodedAgain, err := json.Marshal(again)
		if err != nil || string(encoded) != string(encodedAgain) || !reflect.DeepEqual(texts(request), texts(again)) {
			t.Fatalf("%s became %s, %v", encoded, encodedAgain, err)
		}
	})
	if accepted == 0 {
		t.Error("the generator makes no acceptable order: the property proves nothing")
	}
}

// texts is a request without its decimals, which reflect can't compare.
func texts(r alpaca.OrderRequest) []string {
	return []string{r.Symbol, r.Side, r.Type, r.TimeInForce, r.ClientOrderID, r.OrderClass, r.PositionIntent}
}
