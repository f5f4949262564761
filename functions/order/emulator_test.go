package order_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	faults "github.com/opitios-ai/alpaca-knative/emulator/fault"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// stage is a bench in front of the emulator.
type stage struct {
	*bench
	emulator *emulator.Emulator
}

// newStage starts an emulator with the bench's accounts, whose orders are filled within the request.
func newStage(t *testing.T, client redis.UniversalClient, options ...option) *stage {
	t.Helper()
	account := fmt.Sprintf("acc-%d", names.Load()+1) // the next bench's
	other := account + "-other"
	emulated, err := emulator.New(emulator.Config{
		Accounts: []emulator.Account{
			{KeyID: keyID(account), SecretKey: secretKey(account)}, {KeyID: keyID(other), SecretKey: secretKey(other)},
		},
		FillLatency: -1, PartialFillProbability: -1, TradingLimit: -1,
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := emulated.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := emulated.Stop(ctx); err != nil {
			t.Errorf("stop the emulator: %v", err)
		}
	})
	s := &stage{bench: start(t, client, emulated.URL(), options...), emulator: emulated}
	if s.account != account {
		t.Fatalf("another bench was started beside this one: %s is not %s", s.account, account)
	}
	return s
}

func (s *stage) fault(route string, kind faults.Kind, status, times int) {
	s.t.Helper()
	if _, err := s.emulator.Faults().Add(faults.Fault{Route: route, Kind: kind, Status: status, Times: times}); err != nil {
		s.t.Fatal(err)
	}
}

// cut breaks the connection after so many bytes of the next answer's body.
func (s *stage) cut(route string, keep int) {
	s.t.Helper()
	if _, err := s.emulator.Faults().Add(faults.Fault{Route: route, Kind: faults.Truncated, KeepBytes: keep, Times: 1}); err != nil {
		s.t.Fatal(err)
	}
}

// one wants exactly this one order in the emulator's audit, and in the outbox.
func (s *stage) one(id string) {
	s.t.Helper()
	audit := s.emulator.AcceptedOrders(keyID(s.account))
	if len(audit) != 1 || audit[0].ClientOrderID != id {
		s.t.Fatalf("the emulator accepted %+v", audit)
	}
	s.mustTell("accepted " + audit[0].ID + ":accepted")
}

// TestEmulator: the cases that matter most, against what the project takes for Alpaca.
func TestEmulator(t *testing.T) {
	const place, find = "POST /v2/orders", "GET /v2/orders:by_client_order_id"
	cases := []struct {
		name string
		run  func(*stage)
	}{
		{"success and repeat", func(s *stage) {
			first, second := s.place(`{"client_order_id":"mine"}`), s.place(`{"client_order_id":"mine"}`)
			if s.placed(first); string(first.Data) != string(second.Data) {
				s.t.Fatalf("%s, then %s", first, second)
			}
			s.one("mine")
		}},
		{"dropped after it was taken", func(s *stage) {
			s.fault(place, faults.DropAfter, 0, 1)
			s.placed(s.place(`{"client_order_id":"mine"}`))
			s.one("mine")
		}},
		{"dropped before it was taken", func(s *stage) {
			s.fault(place, faults.DropBefore, 0, 1)
			s.placed(s.place(`{"client_order_id":"mine"}`))
			s.one("mine")
		}},
		{"503", func(s *stage) {
			s.fault(place, faults.Status, 503, 1)
			s.placed(s.place(`{"client_order_id":"mine"}`))
			s.one("mine")
		}},
		{"429", func(s *stage) {
			s.fault(place, faults.Status, 429, 1)
			s.mustFail(s.place(`{"client_order_id":"mine"}`), problem.RateLimitExceeded)
			s.mustTell()
			s.forgive()
			s.placed(s.place(`{"client_order_id":"mine"}`))
			s.one("mine")
		}},
		{"nothing answers for a while", func(s *stage) {
			s.fault(place, faults.DropAfter, 0, 1)
			s.fault(find, faults.DropBefore, 0, 2)
			s.mustFail(s.place(`{"client_order_id":"mine"}`), problem.UpstreamTimeout)
			s.placed(s.place(`{"client_order_id":"mine"}`))
			s.one("mine")
		}},
		{"a refusal that is cut off is not its last word", func(s *stage) {
			for _, keep := range []int{0, 1, 20} {
				s.cut(place, keep)
				s.mustFail(s.place(fmt.Sprintf(`{"qty":900000,"client_order_id":"too-much-%d"}`, keep)), problem.InsufficientFunds)
				s.cut(place, keep)
				s.mustFail(s.place(`{"symbol":"NOSUCH"}`), problem.InvalidSymbol) // without an ID of the caller's
			}
		}},
		{"a duplicate that is cut off", func(s *stage) {
			first := s.placed(s.place(`{"client_order_id":"mine"}`))
			forget(s.t.(*testing.T), s.redis)
			s.cut(place, 10)
			if again := s.placed(s.place(`{"client_order_id":"mine"}`)); again.OrderID != first.OrderID {
				s.t.Fatalf("%s is not %s", again.OrderID, first.OrderID)
			}
			s.one("mine")
		}},
		{"refusals", func(s *stage) {
			s.mustFail(s.place(`{"symbol":"NOSUCH"}`), problem.InvalidSymbol)
			f := s.mustFail(s.place(`{"qty":900000}`), problem.InsufficientFunds)
			if f.Details["required_buying_power"] == nil || f.Details["available_buying_power"] == nil {
				s.t.Errorf("details %v", f.Details)
			}
		}},
		{"cancel", func(s *stage) {
			o := s.placed(s.place(`{"type":"limit","limit_price":"1.00","time_in_force":"gtc","client_order_id":"mine"}`))
			if got := s.send(http.MethodDelete, "/api/v1/orders/"+o.OrderID, ""); got.Status != http.StatusOK {
				s.t.Fatalf("got %s", got)
			}
			s.mustFail(s.send(http.MethodDelete, "/api/v1/orders/"+o.OrderID, ""), problem.OrderRejected)
			if got := s.send(http.MethodGet, "/api/v1/orders/by-client-order-id/mine", ""); got.Status != http.StatusOK {
				s.t.Fatalf("got %s", got)
			}
		}},
	}
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) { c.run(newStage(t, client)) })
		}
	})
}
