package order_test

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// masterOf is the node that has the account's shard now.
func masterOf(t *testing.T, cluster *redisprocess.Cluster, account string) *redisprocess.Server {
	t.Helper()
	var found *redisprocess.Server
	storetest.Eventually(t, "the shard has a master", func() bool {
		for _, server := range cluster.Servers {
			client := server.Client()
			// A node that has the slot answers; the others, replicas included, say MOVED.
			err := client.Get(t.Context(), store.SequenceKey(account)+":probe").Err()
			role, _ := client.Info(t.Context(), "replication").Result()
			_ = client.Close()
			if (err == nil || err.Error() == "redis: nil") && strings.Contains(role, "role:master") {
				found = server
				return true
			}
		}
		return false
	})
	return found
}

// TestClusterMasterStopsDiesAndReturns: the same on Redis Cluster, with the timeouts of production: the master of the
// account's shard hangs and comes back, hangs until its replica takes over, and is killed.
func TestClusterMasterStopsDiesAndReturns(t *testing.T) {
	for _, replicated := range []bool{false, true} {
		name := "without replicas"
		if replicated {
			name = "with replicas"
		}
		t.Run(name, func(t *testing.T) { clusterOutages(t, replicated) })
	}
}

func clusterOutages(t *testing.T, replicated bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// A node counts as gone after two seconds, so that the test sees a failover soon; production has Redis's 15 s.
	cluster, err := redisprocess.StartCluster(ctx, 3, replicated, "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no")
	if err != nil {
		t.Skipf("redis-server: %v", err)
	}
	t.Cleanup(cluster.Stop)
	v := startVenue(t)
	b := start(t, storetest.Open(t, cluster.URL()), v.server.URL, func(c *orderfn.Config) { c.RedisTimeout = 150 * time.Millisecond })
	life, end := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { defer close(watched); b.function.WatchKillSwitches(life) }()
	t.Cleanup(func() { end(); <-watched })
	taken := func() bool {
		b.clock.Advance(time.Millisecond) // of one second this instance alone may let only so many requests through
		return b.place(`{}`).Status == http.StatusCreated
	}
	storetest.Eventually(t, "an order is taken", taken)

	for _, outage := range []struct {
		name   string
		signal syscall.Signal
		back   func(*redisprocess.Server) error
	}{
		{"stopped", syscall.SIGSTOP, func(s *redisprocess.Server) error { return s.Signal(syscall.SIGCONT) }},
		{"killed", syscall.SIGKILL, func(s *redisprocess.Server) error { return s.Restart(ctx) }},
	} {
		master := masterOf(t, cluster, b.account)
		if err := master.Signal(outage.signal); err != nil {
			t.Fatal(err)
		}
		b.refusedWithoutHanging(outage.name)
		b.cancelPasses(v, outage.name)
		began := time.Now()
		if replicated { // a replica takes over while the master is still away
			storetest.Eventually(t, "an order is taken by the replica's word", taken)
			t.Logf("%s: normal again by failover after %s", outage.name, time.Since(began).Round(time.Millisecond))
		}
		if err := outage.back(master); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		storetest.Eventually(t, "an order is taken again", taken)
		t.Logf("%s: normal again %s after its return", outage.name, time.Since(began).Round(time.Millisecond))
		if replicated {
			storetest.Eventually(t, "the cluster is whole", func() bool { return cluster.Whole(ctx, 3) })
		}
	}
}

// refusedWithoutHanging wants new orders refused at once, with nothing sent to Alpaca.
func (b *bench) refusedWithoutHanging(name string) {
	b.t.Helper()
	slowest := time.Duration(0)
	for range 4 {
		began := time.Now()
		answer := b.place(`{}`)
		slowest = max(slowest, time.Since(began))
		b.mustFail(answer, problem.Unavailable)
		if answer.Header.Get("Retry-After") != "1" {
			b.t.Errorf("%s: Retry-After %q", name, answer.Header.Get("Retry-After"))
		}
	}
	b.t.Logf("%s: slowest refusal %s", name, slowest.Round(time.Millisecond))
	if slowest > noHang {
		b.t.Errorf("%s: a refusal took %s", name, slowest)
	}
}

// cancelPasses cancels an order that was placed elsewhere.
func (b *bench) cancelPasses(v *venue, name string) {
	b.t.Helper()
	one := decimal.FromInt(1)
	o := v.elsewhere(keyID(b.account), alpaca.OrderRequest{Symbol: "AAPL", Qty: &one, Side: "buy", Type: "market", ClientOrderID: name})
	began := time.Now()
	if got := b.send(http.MethodDelete, "/api/v1/orders/"+o.ID, ""); got.Status != http.StatusOK || o.Status != alpaca.StatusCanceled {
		b.t.Fatalf("%s: a cancel: %s, the order is %s", name, got, o.Status)
	}
	b.t.Logf("%s: cancel %s", name, time.Since(began).Round(time.Millisecond))
}
