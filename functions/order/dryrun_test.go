package order_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// rehearse sends market with changes as a dry run.
func (s *scene) rehearse(changes string, headers ...string) reply {
	s.t.Helper()
	return s.send(http.MethodPost, "/api/v1/stocks/order?validate=true", with(s.t, market, changes), headers...)
}

// would wants a dry run's 200.
func (s *scene) would(r reply, what string) orderfn.DryRun {
	s.t.Helper()
	var dry orderfn.DryRun
	if err := json.Unmarshal(r.Data, &dry); err != nil || r.Status != http.StatusOK || dry.Would != what {
		s.t.Fatalf("got %s (%v), want %s", r, err, what)
	}
	return dry
}

func TestDryRun(t *testing.T) {
	play(t, []scenario{
		{"would be submitted", nil, drySubmit},
		{"would be replayed", nil, dryReplay},
		{"would be looked up", nil, dryLookUp},
		{"in progress", nil, dryInProgress},
		{"would be over the limit", []option{func(c *orderfn.Config) { c.OrdersPerMinute = 2 }}, dryLimit},
		{"would be over what Alpaca allows", []option{func(c *orderfn.Config) { c.TradingRequestsPerMinute, c.CancelReserve = 2, 1 }}, dryUpstreamLimit},
	})
}

func drySubmit(s *scene) {
	s.would(s.rehearse(`{}`), "submit") // from here on the limit over all requests has its key
	before := s.redis.DBSize(s.t.Context()).Val()
	for range 3 {
		answer := s.rehearse(`{"symbol":"aapl","qty":"2.50"}`, "Idempotency-Key", "key-1")
		dry := s.would(answer, "submit")
		if dry.Request.Symbol != "AAPL" || dry.Request.TimeInForce != "day" || dry.Request.Qty.String() != "2.5" || dry.AssetClass != "us_equity" ||
			!strings.HasPrefix(dry.Request.ClientOrderID, orderfn.FromKey) || dry.Order != nil {
			s.t.Fatalf("got %s", answer)
		}
		if dry.OrdersRemaining != 999 || answer.Header.Get("X-Ratelimit-Remaining") != "999" {
			s.t.Errorf("%d remaining, headers %v", dry.OrdersRemaining, answer.Header)
		}
	}
	if after := s.redis.DBSize(s.t.Context()).Val(); after != before {
		s.t.Errorf("%d keys more", after-before)
	}
	if f := s.mustFail(s.rehearse(`{"qty":0}`), problem.InvalidRequest); f.Details["field"] != "qty" {
		s.t.Errorf("details %v", f.Details)
	}
	s.mustFail(s.send(http.MethodPost, "/api/v1/stocks/order?validate=perhaps", market), problem.InvalidRequest)
	s.calls(0, 0)
	s.mustTell()
	o := s.placed(s.place(`{"symbol":"aapl","qty":"2.50"}`, "Idempotency-Key", "key-1"))
	if dry := s.would(s.rehearse(`{"symbol":"aapl","qty":"2.5"}`, "Idempotency-Key", "key-1"), "replay"); dry.Order.OrderID != o.OrderID {
		s.t.Errorf("got %+v", dry)
	}
}

func dryReplay(s *scene) {
	s.mustFail(s.place(`{"symbol":"NOPE","client_order_id":"mine"}`), problem.InvalidSymbol)
	s.mustFail(s.rehearse(`{"symbol":"NOPE","client_order_id":"mine"}`), problem.InvalidSymbol)
	s.mustFail(s.rehearse(`{"client_order_id":"mine"}`), problem.IdempotencyMismatch)
	s.calls(1, 1) // the first order's
}

func dryLookUp(s *scene) {
	s.venue.fail(submit, resetAfter)
	s.venue.fail(lookUp, resetBefore, resetBefore)
	s.mustFail(s.place(`{"client_order_id":"mine"}`), problem.UpstreamTimeout)
	for range 2 {
		s.would(s.rehearse(`{"client_order_id":"mine"}`), "look_up")
	}
	s.calls(1, 2)
	s.placed(s.place(`{"client_order_id":"mine"}`))
}

func dryInProgress(s *scene) {
	wait, arrived, release := held()
	s.venue.fail(submit, wait)
	first := make(chan reply)
	go func() { first <- s.place(`{"client_order_id":"mine"}`) }()
	<-arrived
	s.mustFail(s.rehearse(`{"client_order_id":"mine"}`), problem.IdempotencyInProgress)
	close(release)
	s.placed(<-first)
}

func dryLimit(s *scene) {
	s.placed(s.place(`{}`))
	for range 3 {
		if dry := s.would(s.rehearse(`{}`), "submit"); dry.OrdersRemaining != 0 {
			s.t.Errorf("%d remaining", dry.OrdersRemaining)
		}
	}
	s.placed(s.place(`{}`))
	if f := s.mustFail(s.rehearse(`{}`), problem.RateLimitExceeded); f.Details["limit"] != "orders" {
		s.t.Errorf("details %v", f.Details)
	}
	if n := s.metric("limited"); n != 0 {
		s.t.Errorf("a dry run was counted: %v", n)
	}
}

func dryUpstreamLimit(s *scene) {
	s.would(s.rehearse(`{}`), "submit")
	s.placed(s.place(`{}`))
	if f := s.mustFail(s.rehearse(`{}`), problem.RateLimitExceeded); f.Details["limit"] != "alpaca" {
		s.t.Errorf("details %v", f.Details)
	}
}
