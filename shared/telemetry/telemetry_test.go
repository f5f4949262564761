package telemetry_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

func TestLoggerWritesOneJSONObjectALine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger, err := telemetry.NewLogger(&out, "info")
	if err != nil {
		t.Fatal(err)
	}
	logger.Debug("hidden")
	logger.Info("shown", zap.String("account_id", "a"))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%s: %v", out.String(), err)
	}
	if line["message"] != "shown" || line["severity"] != "info" || line["account_id"] != "a" {
		t.Fatalf("got %v", line)
	}
}

func TestLoggerRefusesAnUnknownLevel(t *testing.T) {
	t.Parallel()
	if _, err := telemetry.NewLogger(&bytes.Buffer{}, "loud"); err == nil {
		t.Fatal("want an error")
	}
}

func TestOrdersPerAccountLabelIsOptional(t *testing.T) {
	t.Parallel()
	for name, perAccount := range map[string]bool{"off": false, "on": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewRegistry()
			telemetry.NewOrders(registry, perAccount).Observe(telemetry.OrderSample{
				AccountID: "acc-1", AccountType: "paper", Side: "buy", Status: "accepted", Gateway: time.Millisecond, Upstream: time.Millisecond,
			})
			families, err := registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, family := range families {
				labelled := false
				for _, label := range family.GetMetric()[0].GetLabel() {
					labelled = labelled || label.GetName() == "account_id"
				}
				if labelled != perAccount {
					t.Errorf("%s: account_id label is %v", family.GetName(), labelled)
				}
			}
		})
	}
}

func TestMetricNames(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	httpMetrics := telemetry.NewHTTP(registry)
	httpMetrics.Observe("GET", "/x", "200", time.Second)
	httpMetrics.ConnectionOpened()
	cache := telemetry.NewCache(registry)
	cache.Hit("quote")
	cache.Miss("quote")
	for _, name := range []string{
		"api_requests_total", "api_request_duration_seconds", "active_connections", "cache_hits_total", "cache_misses_total",
	} {
		if n, err := testutil.GatherAndCount(registry, name); err != nil || n != 1 {
			t.Errorf("%s: %d series, %v", name, n, err)
		}
	}
}
