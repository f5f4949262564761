package limits

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/account/updates"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// TestCanceledOrderFreesItsPlaceAtOnce: its trade update does, not the next reading of the account.
func TestCanceledOrderFreesItsPlaceAtOnce(t *testing.T) {
	server, err := redisprocess.Start(t.Context(), false)
	if err != nil {
		t.Skipf("redis-server: %v", err)
	}
	t.Cleanup(server.Stop)
	controls := filepath.Join(t.TempDir(), "controls.json")
	if err := os.WriteFile(controls, []byte(`{"defaults":{"risk":{"max_open_orders":1}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newFleet(t, server, "CONTROLS_FILE", controls)
	var cfg updates.Config
	if err := config.Load(&cfg, w.environment); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	follower, err := updates.New(cfg, platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{}))
	w.run(follower, err)
	client := server.Client()
	t.Cleanup(func() { _ = client.Close() })

	for i := range 3 {
		text := w.must(w.orders[i], 0, http.MethodPost, "/api/v1/stocks/order", resting, http.StatusCreated)
		placed := decoded[order.Order](t, text)
		w.must(w.orders[(i+1)%instances], 0, http.MethodPost, "/api/v1/stocks/order", resting, http.StatusUnprocessableEntity)
		w.must(w.orders[i], 0, http.MethodDelete, "/api/v1/orders/"+placed.OrderID, "", http.StatusOK)
		storetest.Eventually(t, "the order's hold is closed", func() bool {
			kept := client.HGet(t.Context(), store.HoldsKey(accountID(0)), placed.ClientOrderID).Val()
			return strings.HasPrefix(kept, risk.StateClosed+"|")
		})
	}
}
