package order_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	faults "github.com/opitios-ai/alpaca-knative/emulator/fault"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// spread is a guarded stage with two contracts, at 5 and 3 USD.
type spread struct {
	*guarded
	lower, higher string
}

func newSpread(t *testing.T, client redis.UniversalClient, controls string, options ...option) *spread {
	t.Helper()
	s := &spread{guarded: newGuarded(t, client, controls, options...)}
	s.lower, s.higher = s.contracts()
	for symbol, price := range map[string]string{s.lower: "5", s.higher: "3"} {
		if err := s.emulator.SetPrice(symbol, decimal.MustParse(price)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// buy places a debit spread at a limit, or at the market for an empty one.
func (s *spread) buy(qty int, limit string) reply {
	s.t.Helper()
	terms := `"type":"market"`
	if limit != "" {
		terms = `"type":"limit","limit_price":` + limit
	}
	return s.post("options", fmt.Sprintf(`{"order_class":"mleg","qty":%d,%s,"legs":[
		{"symbol":"%s","ratio_qty":1,"position_intent":"buy_to_open"},{"symbol":"%s","ratio_qty":1,"position_intent":"sell_to_open"}]}`,
		qty, terms, s.lower, s.higher))
}

func TestMultiLegOrderMeetsTheQuotesOfItsLegs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := newSpread(t, client, `{"price_collar_percent":10,"max_order_value":1000,"min_cash":null}`)
		s.native(s.buy(1, "2.1"), http.StatusCreated)
		f := s.refused(s.buy(1, "2.4"), "price_collar_percent")
		if f.Details["limit"] != json.Number("10") {
			t.Fatalf("%v", f.Details)
		}
		s.native(s.buy(4, ""), http.StatusCreated) // some 2 USD a share, 200 a unit
		s.refused(s.buy(6, ""), "max_order_value")
		if n := len(s.emulator.AcceptedOrders(keyID(s.account))); n != 6 { // two orders with their legs
			t.Fatalf("%d orders were sent", n)
		}
	})
}

// TestMultiLegOrderWithoutAQuote: it can't be checked, nothing of it is remembered, and it passes when the quotes are back.
func TestMultiLegOrderWithoutAQuote(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := newSpread(t, client, `{"price_collar_percent":10,"max_order_value":1000,"min_cash":null}`)
		s.fault("GET /v1beta1/options/quotes/latest", faults.Status, 503, 4)
		for control, limit := range map[string]string{"price_collar_percent": "2.1", "max_order_value": ""} {
			f := s.mustFail(s.buy(1, limit), problem.Unavailable)
			if f.Details["control"] != control {
				t.Fatalf("%v, want %s", f.Details, control)
			}
		}
		if n := len(s.emulator.AcceptedOrders(keyID(s.account))); n != 0 {
			t.Fatalf("%d orders were sent", n)
		}
		s.native(s.buy(1, "2.1"), http.StatusCreated)
		s.native(s.buy(1, ""), http.StatusCreated)
	})
}

// TestPositionsOfLegsAreCapped: by what is held, by open orders of one and of several legs, and by those that only a reading of
// the account shows.
func TestPositionsOfLegsAreCapped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := newSpread(t, client, `{"max_position_qty":5,"min_cash":null}`)
		one := func(symbol, side string, qty int) reply {
			return s.post("options", fmt.Sprintf(`{"symbol":"%s","qty":%d,"side":"%s","type":"limit","limit_price":0.05}`, symbol, qty, side))
		}
		open := s.native(s.buy(2, "0.05"), http.StatusCreated) // it rests
		s.refused(s.buy(4, "0.05"), "max_position_qty")
		s.refused(one(s.lower, "buy", 4), "max_position_qty")
		s.native(s.buy(2, ""), http.StatusCreated) // two of each leg are held now
		s.refused(s.buy(2, "0.05"), "max_position_qty")
		s.native(s.buy(1, "0.05"), http.StatusCreated)
		s.refused(s.buy(1, "0.05"), "max_position_qty")

		// What Redis lost is read of Alpaca, the legs of the open orders too.
		forget(t, client)
		s.refused(s.buy(1, "0.05"), "max_position_qty")
		s.refused(one(s.lower, "buy", 1), "max_position_qty")
		if got := s.send(http.MethodDelete, "/api/v1/orders/"+open.OrderID, ""); got.Status != http.StatusOK {
			t.Fatalf("%s", got)
		}
		forget(t, client)
		s.native(s.buy(2, "0.05"), http.StatusCreated)
		s.refused(s.buy(1, "0.05"), "max_position_qty")
	})
}

// TestLegsAreHeldWhenTheValueIsKnown: settling writes the order's hold anew, and those of its legs stay.
func TestLegsAreHeldWhenTheValueIsKnown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := newSpread(t, client, `{"max_position_qty":5,"max_order_value":10000,"min_cash":null}`)
		placed := s.native(s.buy(2, ""), http.StatusCreated)
		holds := client.HGetAll(t.Context(), store.HoldsKey(s.account)).Val()
		for n, want := range []string{"|B|" + s.lower + "|2|0", "|S|" + s.higher + "|2|0"} {
			id := fmt.Sprintf("%s\n%d", placed.ClientOrderID, n+1)
			if hold := holds[id]; len(hold) == 0 || hold[0] != 'o' || !strings.HasSuffix(hold, want) {
				t.Errorf("%q is held as %q, want %q", id, hold, want)
			}
		}
		if hold := holds[placed.ClientOrderID]; strings.HasSuffix(hold, "|") || hold == "" {
			t.Errorf("the order is held as %q, its value is known", hold)
		}
	})
}

// TestRefusedMultiLegOrderHoldsNothing: neither do its legs.
func TestRefusedMultiLegOrderHoldsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := newSpread(t, client, `{"max_position_qty":5,"max_order_qty":4,"min_cash":null}`)
		s.refused(s.buy(5, "0.05"), "max_order_qty")
		s.fault("POST /v2/orders", faults.Status, 403, 1)
		_ = s.buy(2, "0.05")
		if n := client.HLen(t.Context(), store.HoldsKey(s.account)).Val(); n != 0 && n != 3 {
			t.Fatalf("%d holds are left", n)
		}
		s.native(s.buy(2, "0.05"), http.StatusCreated)
		holds := client.HGetAll(t.Context(), store.HoldsKey(s.account)).Val()
		if len(holds)%3 != 0 || client.HGet(t.Context(), store.HoldSumsKey(s.account), "open").Val() != fmt.Sprint(len(holds)/3) {
			t.Fatalf("%q", holds)
		}
		for id, hold := range holds {
			if hold[0] != 'o' {
				t.Errorf("%q is held as %q", id, hold)
			}
		}
	})
}

// TestReplacementOfAMultiLegOrderIsChecked: its legs are those of the order that it replaces.
func TestReplacementOfAMultiLegOrderIsChecked(t *testing.T) {
	client, _ := storetest.Embedded(t)
	s := newSpread(t, client, `{"price_collar_percent":10,"min_cash":null}`)
	open := s.native(s.buy(2, "0.05"), http.StatusCreated)
	s.refused(s.send(http.MethodPatch, "/api/v1/orders/"+open.OrderID, `{"limit_price":2.5}`), "price_collar_percent")
	made := s.native(s.send(http.MethodPatch, "/api/v1/orders/"+open.OrderID, `{"limit_price":0.06}`), http.StatusOK)
	if made.LimitPrice.String() != "0.06" {
		t.Fatalf("%+v", made)
	}
}
