package order_test

import (
	"context"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// noHang bounds a refusal on a machine that is busy with other tests; the goal of 200 ms is in the log.
const noHang = 5 * time.Second

// TestRedisStopsDiesAndReturns: with the timeouts of production, a real server that hangs and one that is killed.
func TestRedisStopsDiesAndReturns(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	server, err := redisprocess.Start(ctx, false)
	if err != nil {
		t.Skipf("redis-server: %v", err)
	}
	t.Cleanup(server.Stop)
	v := startVenue(t)
	client := redis.NewClient(&redis.Options{Addr: server.Address(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	b := start(t, client, v.server.URL, func(c *orderfn.Config) { c.RedisTimeout = 150 * time.Millisecond })
	life, end := context.WithCancel(t.Context())
	watched := make(chan struct{})
	go func() { defer close(watched); b.function.WatchKillSwitches(life) }()
	t.Cleanup(func() { end(); <-watched })
	storetest.Eventually(t, "an order is taken", func() bool { return b.place(`{}`).Status == http.StatusCreated })

	for _, outage := range []struct {
		name          string
		begin, finish func() error
	}{
		{"stopped", func() error { return server.Signal(syscall.SIGSTOP) }, func() error { return server.Signal(syscall.SIGCONT) }},
		{"killed", func() error { return server.Signal(syscall.SIGKILL) }, func() error { return server.Restart(ctx) }},
	} {
		if err := outage.begin(); err != nil {
			t.Fatal(err)
		}
		sent := v.count(submit)
		b.refusedWithoutHanging(outage.name)
		b.cancelPasses(v, outage.name)
		if v.count(submit) != sent {
			t.Errorf("%s: an order was sent", outage.name)
		}
		if err := outage.finish(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		storetest.Eventually(t, "an order is taken again", func() bool { return b.place(`{}`).Status == http.StatusCreated })
		t.Logf("%s: normal again after %s", outage.name, time.Since(began).Round(time.Millisecond))
	}
}
