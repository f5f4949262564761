package order_test

import (
	"net"
	"net/http"
	"testing"
	"time"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// silentRedis takes connections and never answers: a server that hangs, or a network that drops packets.
func silentRedis(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var open []net.Conn
		for {
			connection, err := listener.Accept()
			if err != nil {
				break
			}
			open = append(open, connection)
		}
		for _, connection := range open {
			_ = connection.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-ended
	})
	return "redis://" + listener.Addr().String()
}

// TestRedisAway: an order that can't be written down is refused at once and never sent; cancels get through.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(*testing.T, *venue) *bench{
		"refuses": func(t *testing.T, v *venue) *bench { return start(t, storetest.Away(t), v.server.URL) },
		"is silent": func(t *testing.T, v *venue) *bench {
			return start(t, storetest.Open(t, silentRedis(t)), v.server.URL, func(c *orderfn.Config) { c.RedisTimeout = 50 * time.Millisecond })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := startVenue(t)
			b := build(t, v)
			answer := b.place(`{"client_order_id":"mine"}`, "Idempotency-Key", "key")
			b.mustFail(answer, problem.Unavailable)
			if answer.Header.Get("Retry-After") != "1" || v.count(submit)+v.count(lookUp) != 0 {
				t.Fatalf("Retry-After %q, %d submits, %d look-ups", answer.Header.Get("Retry-After"), v.count(submit), v.count(lookUp))
			}
			one := decimal.FromInt(1)
			o := v.elsewhere(keyID(b.account), alpaca.OrderRequest{Symbol: "AAPL", Qty: &one, Side: "buy", Type: "market", ClientOrderID: "open"})
			if got := b.send(http.MethodDelete, "/api/v1/orders/"+o.ID, ""); got.Status != http.StatusOK || o.Status != alpaca.StatusCanceled {
				t.Fatalf("cancel: %s, the order is %s", got, o.Status)
			}
			if got := b.send(http.MethodDelete, "/api/v1/orders", ""); got.Status != http.StatusOK {
				t.Fatalf("cancel all: %s", got)
			}
			if n := b.metric("unavailable"); n != 1 {
				t.Errorf("orders_total is %v", n)
			}
		})
	}
}

// TestWithoutReplicas: an order whose intent a failover could lose is refused before it is sent, where that is asked for.
func TestWithoutReplicas(t *testing.T) {
	v := startVenue(t)
	wanted := func(c *orderfn.Config) { c.IntentReplicas, c.IntentReplicaTimeout = 1, 20*time.Millisecond }
	alone := start(t, storetest.Server(t), v.server.URL, wanted)
	answer := alone.place(`{"client_order_id":"mine"}`)
	alone.mustFail(answer, problem.Unavailable)
	if answer.Header.Get("Retry-After") != "1" || v.count(submit) != 0 {
		t.Fatalf("Retry-After %q, %d submits", answer.Header.Get("Retry-After"), v.count(submit))
	}
	long := func(c *orderfn.Config) { c.IntentReplicas, c.IntentReplicaTimeout = 1, 10*time.Second }
	o := start(t, storetest.Replicated(t), v.server.URL, long)
	o.placed(o.place(`{"client_order_id":"mine"}`))
}
