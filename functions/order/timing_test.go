package order_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// slow lets Alpaca take this long, by the function's own clock, for a call that then goes its way.
func (s *scene) slow(took time.Duration, then fault) fault {
	return func(w http.ResponseWriter, r *http.Request, carryOut func(http.ResponseWriter)) {
		s.clock.Advance(took)
		if then != nil {
			then(w, r, carryOut)
			return
		}
		carryOut(w)
	}
}

// watched is a scene whose log is kept.
func newWatchedScene(t *testing.T, options ...option) (*scene, *observer.ObservedLogs) {
	t.Helper()
	s := newScene(t, options...)
	core, logs := observer.New(zapcore.InfoLevel)
	s.registry = prometheus.NewRegistry()
	function, err := orderfn.New(s.config, platform.NewDependencies(zap.New(core), s.registry, s.registry, s.clock))
	if err != nil {
		t.Fatal(err)
	}
	if err := function.Accounts.Load(); err != nil {
		t.Fatal(err)
	}
	function.UseRedis(s.watch())
	t.Cleanup(func() { _ = function.Stop(t.Context()) }) // the sink refuses what is left in the outbox
	s.function = function
	return s, logs
}

// sums are the sums of a histogram's series, by status, in microseconds.
func (s *scene) sums(name string) map[string]int64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[string]int64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				if label.GetName() == "account_id" {
					s.t.Errorf("%s has an account", name)
				}
				if label.GetName() == "status" {
					found[label.GetValue()] = int64(series.GetHistogram().GetSampleSum()*1e6 + 0.5)
				}
			}
		}
	}
	return found
}

// TestTiming: each order is logged and recorded with Alpaca's time and ours apart, whatever becomes of it.
func TestTiming(t *testing.T) {
	t.Parallel()
	s, logs := newWatchedScene(t)
	s.venue.fail(submit, s.slow(3*time.Millisecond, nil))
	placed := s.placed(s.place(`{"client_order_id":"taken"}`))
	s.venue.fail(submit, s.slow(5*time.Millisecond, nil))
	s.mustFail(s.place(`{"symbol":"NOPE"}`), problem.InvalidSymbol)
	s.venue.fail(submit, s.slow(7*time.Millisecond, resetBefore))
	s.venue.fail(lookUp, s.slow(2*time.Millisecond, nil))
	s.placed(s.place(`{"client_order_id":"sent twice"}`))
	s.venue.fail(submit, s.slow(11*time.Millisecond, resetAfter))
	s.venue.fail(lookUp, s.slow(time.Millisecond, resetBefore), s.slow(time.Millisecond, resetBefore))
	s.mustFail(s.place(`{"client_order_id":"nobody knows"}`), problem.UpstreamTimeout)
	want := []struct {
		outcome, symbol string
		upstream        int64
	}{{"accepted", "AAPL", 3000}, {"rejected", "NOPE", 5000}, {"accepted", "AAPL", 9000}, {"unknown", "AAPL", 13000}}
	lines := logs.FilterMessage("order").All()
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d: %v", len(lines), len(want), lines)
	}
	for i, line := range lines {
		fields := line.ContextMap()
		if fields["outcome"] != want[i].outcome || fields["symbol"] != want[i].symbol || fields["account_id"] != s.account ||
			fields["upstream_microseconds"] != want[i].upstream || fields["gateway_microseconds"] != int64(0) {
			t.Errorf("got %v, want %v", fields, want[i])
		}
	}
	if id := lines[0].ContextMap()["order_id"]; id != placed.OrderID {
		t.Errorf("order ID %v, want %s", id, placed.OrderID)
	}
	upstream, gateway, latency := s.sums("order_upstream_seconds"), s.sums("order_gateway_seconds"), s.sums("order_latency_seconds")
	for outcome, microseconds := range map[string]int64{"accepted": 12000, "rejected": 5000, "unknown": 13000} {
		if upstream[outcome] != microseconds || latency[outcome] != microseconds || gateway[outcome] != 0 {
			t.Errorf("%s: upstream %d, gateway %d, in all %d µs, want %d, 0 and %d", outcome, upstream[outcome], gateway[outcome], latency[outcome], microseconds, microseconds)
		}
	}
}
