package account

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

func TestStartsOnAFreePort(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	cfg := Config{Config: baseConfig(t, "redis://"+server.Addr(), startAlpaca(t).server.URL), CacheTTL: time.Second}
	registry := prometheus.NewRegistry()
	d := platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{})
	function, err := New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	running := platform.NewServer(cfg.Base(), d, function)
	if err := running.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ok", "/metrics": "active_connections", "/openapi.json": `"/api/v1/positions/{symbol}"`,
	} {
		if status, body := httpGet(t, running.URL()+path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.300s", path, status, body)
		}
	}
	if err := running.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func httpGet(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	cfg := Config{Config: baseConfig(t, "redis://127.0.0.1:1", "http://127.0.0.1:1")}
	for _, test := range []struct {
		ttl   time.Duration
		valid bool
	}{{2 * time.Second, true}, {time.Minute, true}, {time.Hour, false}, {-1, false}} {
		cfg.CacheTTL = test.ttl
		if err := cfg.Validate(); (err == nil) != test.valid {
			t.Errorf("%s: %v", test.ttl, err)
		}
	}
}
