package order_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	faults "github.com/opitios-ai/alpaca-knative/emulator/fault"
	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// post places body as an order of a class: stocks, options or crypto.
func (s *stage) post(class, body string) reply {
	s.t.Helper()
	return s.send(http.MethodPost, "/api/v1/"+class+"/order", body)
}

func (s *stage) native(r reply, status int) order.Order {
	s.t.Helper()
	var o order.Order
	if err := json.Unmarshal(r.Data, &o); err != nil || r.Status != status || o.OrderID == "" {
		s.t.Fatalf("got %s (%v)", r, err)
	}
	return o
}

// contracts are two calls on AAPL of one expiration, the lower strike first.
func (s *stage) contracts() (lower, higher string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.emulator.URL()+"/v2/options/contracts?underlying_symbols=AAPL&type=call&limit=2", http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Apca-Api-Key-Id", keyID(s.account))
	request.Header.Set("Apca-Api-Secret-Key", secretKey(s.account))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var page struct {
		Contracts []struct {
			Symbol string `json:"symbol"`
		} `json:"option_contracts"`
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil || len(page.Contracts) != 2 {
		s.t.Fatalf("%+v, %v", page, err)
	}
	return page.Contracts[0].Symbol, page.Contracts[1].Symbol
}

// TestEmulatedClasses: every class of order, replacements and closes, against what the project takes for Alpaca.
func TestEmulatedClasses(t *testing.T) {
	const place, change, find = "POST /v2/orders", "PATCH /v2/orders/*", "GET /v2/orders:by_client_order_id"
	cases := []struct {
		name string
		run  func(*stage)
	}{
		{"crypto bought and closed", func(s *stage) {
			bought := s.native(s.post("crypto", `{"symbol":"btcusd","notional":"100","side":"buy","type":"market"}`), 201)
			if bought.Symbol != "BTC/USD" || bought.TimeInForce != "gtc" {
				s.t.Fatalf("got %+v", bought)
			}
			s.fault(place, faults.DropAfter, 0, 1)
			if closed := s.native(s.send(http.MethodDelete, "/api/v1/positions/BTC%2FUSD", ""), 200); closed.Side != "sell" || closed.AssetClass != "crypto" {
				s.t.Fatalf("got %+v", closed)
			}
			s.mustFail(s.send(http.MethodDelete, "/api/v1/positions/BTCUSD", ""), problem.PositionNotFound)
		}},
		{"an option bought and closed", func(s *stage) {
			lower, _ := s.contracts()
			bought := s.native(s.post("options", `{"symbol":"`+lower+`","qty":1,"side":"buy","type":"market"}`), 201)
			if bought.AssetClass != "us_option" || bought.PositionIntent != "buy_to_open" {
				s.t.Fatalf("got %+v", bought)
			}
			if closed := s.native(s.send(http.MethodDelete, "/api/v1/positions/"+lower, ""), 200); closed.PositionIntent != "sell_to_close" {
				s.t.Fatalf("got %+v", closed)
			}
		}},
		{"a spread, with the answer lost", func(s *stage) {
			lower, higher := s.contracts()
			s.fault(place, faults.DropAfter, 0, 1)
			spread := s.native(s.post("options", `{"order_class":"mleg","qty":1,"type":"market","client_order_id":"spread","legs":[
				{"symbol":"`+lower+`","ratio_qty":1,"position_intent":"buy_to_open"},{"symbol":"`+higher+`","ratio_qty":1,"position_intent":"sell_to_open"}]}`), 201)
			if spread.OrderClass != "mleg" || spread.Symbol != "" {
				s.t.Fatalf("got %+v", spread)
			}
			if audit := s.emulator.AcceptedOrders(keyID(s.account)); len(audit) != 3 || audit[0].ClientOrderID != "spread" { // with its legs
				s.t.Fatalf("the emulator accepted %+v", audit)
			}
			s.mustTell("accepted " + spread.OrderID + ":accepted")
		}},
		{"stop limit in crypto", func(s *stage) {
			s.native(s.post("crypto", `{"symbol":"BTC/USD","qty":"0.001","side":"buy","type":"stop_limit","stop_price":900000,"limit_price":900100}`), 201)
		}},
		{"shares bought, a third closed, then the rest", func(s *stage) {
			s.native(s.post("stocks", `{"symbol":"AAPL","qty":9,"side":"buy","type":"market"}`), 201)
			if third := s.native(s.send(http.MethodDelete, "/api/v1/positions/AAPL?percentage=34", ""), 200); third.Qty.String() != "3" {
				s.t.Fatalf("got %+v", third)
			}
			var all orderfn.ClosedAll
			answer := s.send(http.MethodDelete, "/api/v1/positions?cancel_orders=true", "")
			if json.Unmarshal(answer.Data, &all) != nil || len(all.Positions) != 1 || all.Positions[0].Order == nil || all.Positions[0].Order.Qty.String() != "6" {
				s.t.Fatalf("got %s", answer)
			}
		}},
		{"a stop holds the shares until it is canceled", func(s *stage) {
			s.native(s.post("stocks", `{"symbol":"AAPL","qty":5,"side":"buy","type":"market"}`), 201)
			s.native(s.post("stocks", `{"symbol":"AAPL","qty":5,"side":"sell","type":"stop","stop_price":1,"time_in_force":"gtc"}`), 201)
			s.mustFail(s.send(http.MethodDelete, "/api/v1/positions/AAPL", ""), problem.OrderRejected)
			s.native(s.send(http.MethodDelete, "/api/v1/positions/AAPL?cancel_orders=true", ""), 200)
		}},
		{"replaced, with the answer lost", func(s *stage) {
			old := s.native(s.post("stocks", `{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":1,"time_in_force":"gtc"}`), 201)
			s.fault(change, faults.DropAfter, 0, 1)
			made := s.native(s.send(http.MethodPatch, "/api/v1/orders/"+old.OrderID, `{"limit_price":"1.50","client_order_id":"mine"}`), 200)
			if made.Replaces == nil || *made.Replaces != old.OrderID || made.LimitPrice.String() != "1.5" || made.ClientOrderID != "mine" {
				s.t.Fatalf("got %+v", made)
			}
			s.fault(change, faults.Status, 503, 1)
			s.fault(find, faults.DropBefore, 0, 2)
			second := `{"qty":2,"client_order_id":"mine-2"}`
			s.mustFail(s.send(http.MethodPatch, "/api/v1/orders/"+made.OrderID, second), problem.UpstreamTimeout)
			if last := s.native(s.send(http.MethodPatch, "/api/v1/orders/"+made.OrderID, second), 200); last.Qty.String() != "2" {
				s.t.Fatalf("got %+v", last)
			}
			f := s.mustFail(s.send(http.MethodPatch, "/api/v1/orders/"+old.OrderID, `{"limit_price":2}`), problem.OrderRejected)
			if f.Details["status"] != "replaced" {
				s.t.Errorf("details %v", f.Details)
			}
		}},
		{"bracket, oco, oto and trailing stop", func(s *stage) {
			s.native(s.post("stocks", `{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":2,"order_class":"bracket",
				"take_profit":{"limit_price":3},"stop_loss":{"stop_price":1}}`), 201)
			s.native(s.post("stocks", `{"symbol":"MSFT","qty":1,"side":"buy","type":"limit","limit_price":2,"order_class":"oto","stop_loss":{"stop_price":1}}`), 201)
			s.native(s.post("stocks", `{"symbol":"KO","qty":1,"side":"buy","type":"market"}`), 201)
			s.native(s.post("stocks", `{"symbol":"KO","qty":1,"side":"sell","type":"trailing_stop","trail_percent":5,"time_in_force":"gtc"}`), 201)
		}},
	}
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { c.run(newStage(t, client)) })
		}
	})
}
