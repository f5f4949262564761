package order_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// sink is a broker that notes the IDs of the events it takes.
type sink struct {
	mu  sync.Mutex
	ids []string
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, r.Header.Get("Ce-Id"))
	w.WriteHeader(http.StatusAccepted)
}

func (s *sink) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.ids, " ")
}

// TestStarted: a started function publishes what it does, settles at start what a dead instance left behind, and ends.
func TestStarted(t *testing.T) {
	t.Parallel()
	taken := &sink{}
	broker := httptest.NewServer(taken)
	t.Cleanup(broker.Close)
	s := newScene(t, func(c *orderfn.Config) { c.Sink, c.SweepEvery = broker.URL, time.Hour })
	left := s.placed(s.die(1, `{"client_order_id":"left"}`))
	s.elapse()
	if err := s.function.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	storetest.Eventually(t, "the event of the order left behind", func() bool { return taken.seen() == left.OrderID+":accepted" })
	o := s.placed(s.place(`{}`))
	storetest.Eventually(t, "the event", func() bool { return strings.HasSuffix(taken.seen(), " "+o.OrderID+":accepted") })
	if ready, err := s.function.Ready(t.Context()); !ready {
		t.Errorf("not ready: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.function.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestStartNeedsAccounts(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	broken := s.config
	broken.AccountsFile = "/nowhere/accounts.json"
	f, err := orderfn.New(broken, s.dependencies())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Stop(context.Background()) })
	if err := f.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "ACCOUNTS_FILE") {
		t.Fatalf("got %v", err)
	}
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	content, err := s.function.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	for _, want := range [][3]string{
		{"/api/v1/stocks/order", "post", "placeStockOrder"}, {"/api/v1/orders", "get", "listOrders"}, {"/api/v1/orders", "delete", "cancelAllOrders"},
		{"/api/v1/orders/{order_id}", "get", "getOrder"}, {"/api/v1/orders/{order_id}", "delete", "cancelOrder"},
		{"/api/v1/orders/by-client-order-id/{client_order_id}", "get", "getOrderByClientOrderID"},
	} {
		if got := document.Paths[want[0]][want[1]].OperationID; got != want[2] {
			t.Errorf("%s %s: operation %q", want[1], want[0], got)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	base := newScene(t).config
	for name, change := range map[string]option{
		"K_SINK":                 func(c *orderfn.Config) { c.Sink = "" },
		"SWEEP_EVERY":            func(c *orderfn.Config) { c.SweepEvery = 0 },
		"REDIS_TIMEOUT":          func(c *orderfn.Config) { c.RedisTimeout = -1 },
		"INTENT_REPLICAS":        func(c *orderfn.Config) { c.IntentReplicas = -1 },
		"INTENT_REPLICA_TIMEOUT": func(c *orderfn.Config) { c.IntentReplicas, c.IntentReplicaTimeout = 1, c.RedisTimeout },
		"INTENT_LEASE":           func(c *orderfn.Config) { c.IntentLease = 2 * c.UpstreamTimeout },
		"STOP_TIMEOUT":           func(c *orderfn.Config) { c.StopTimeout = 0 },
		"":                       func(*orderfn.Config) {},
	} {
		c := base
		change(&c)
		err := c.Validate()
		if (err != nil) != (name != "") || err != nil && !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
