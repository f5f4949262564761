package order_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// FuzzOrderBody: no body makes decoding, validation or the fingerprint panic, and each refusal is the caller's fault.
func FuzzOrderBody(f *testing.F) {
	for _, changes := range []string{
		`{}`, bracketBuy, ocoSell, otoBuy, `{"qty":null,"notional":"1e2"}`, `{"type":"trailing_stop","trail_percent":"0.1"}`,
		`{"take_profit":{}}`, `{"qty":"-0"}`, `{"symbol":""}`,
	} {
		f.Add([]byte(with(f, market, changes)))
	}
	for _, body := range []string{optionOrder, cryptoOrder, spreadOrder, ``, `null`, `[]`, `{"qty":{}}`, `{"qty":"1e999"}`, `{"stop_loss":null}`, `{"side":1}`, `{"a":1}`, `{} {}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var r order.OrderRequest
		err := serve.DecodeJSON(body, &r)
		for _, class := range []string{event.AssetClassUSOption, event.AssetClassCrypto} {
			if err != nil {
				break
			}
			if _, refused := orderfn.Validate(class, r, opening()); refused != nil && !errors.Is(refused, problem.InvalidRequest) {
				t.Fatalf("%q as %s: %v", body, class, refused)
			}
		}
		if err == nil {
			_, err = orderfn.ValidateStock(r)
		}
		if err == nil {
			_, err = orderfn.Fingerprint(event.AssetClassUSEquity, r)
		}
		if err != nil && !errors.Is(err, problem.InvalidRequest) {
			t.Fatalf("%q: %v", body, err)
		}
	})
}

// drawOrder makes orders that are often acceptable, and never far from it.
func drawOrder(t *rapid.T) order.OrderRequest {
	choice := func(name string, of ...string) string { return rapid.SampledFrom(of).Draw(t, name) }
	number := func(name string, of ...string) *decimal.Number {
		text := choice(name, of...)
		if text == "" {
			return nil
		}
		return &decimal.Number{Decimal: decimal.MustParse(text)}
	}
	rarely := func(name string) bool { return rapid.IntRange(0, 7).Draw(t, name) == 7 }
	r := order.OrderRequest{
		Symbol: choice("symbol", "AAPL", "brk.b", "F"), Qty: number("qty", "1", "100", "2", "10", "0.5", "0.0000000001"),
		Side: choice("side", "buy", "sell"), Type: choice("type", "market", "limit", "stop", "stop_limit", "trailing_stop"),
		TimeInForce: choice("time_in_force", "", "day", "gtc", "ioc"), ExtendedHours: rarely("extended_hours"),
		ClientOrderID: choice("client_order_id", "", "a", "a b:c"), OrderClass: choice("order_class", "", "simple", "bracket", "oco", "oto"),
		PositionIntent: choice("position_intent", "", "buy_to_open"),
	}
	if rarely("notional instead") {
		r.Qty, r.Notional = nil, number("notional", "100.5", "0.5")
	}
	if r.Type == "limit" || r.Type == "stop_limit" {
		r.LimitPrice = number("limit_price", "100", "99.99", "0.1234", "1.001")
	}
	if r.Type == "stop" || r.Type == "stop_limit" {
		r.StopPrice = number("stop_price", "100", "0.5")
	}
	if r.Type == "trailing_stop" {
		r.TrailPrice, r.TrailPercent = number("trail_price", "", "0.25"), number("trail_percent", "", "1.5")
	}
	if advanced := r.OrderClass != "" && r.OrderClass != "simple"; advanced != rarely("legs of another class") {
		r.TakeProfit = &order.TakeProfit{LimitPrice: number("take_profit", "120", "90")}
		r.StopLoss = &order.StopLoss{StopPrice: number("stop_loss", "95", "110"), LimitPrice: number("stop_limit", "", "94.5")}
	}
	return r
}
