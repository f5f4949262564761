// Package storetest runs a test against every kind of Redis that the project supports: embedded miniredis, one Redis
// server, and a Redis Cluster of three masters. It is for tests only.
//
// The servers are real processes, started when the first test of a package asks for them and shared by its tests;
// without redis-server on the PATH the tests that need it are skipped, or fail where CI is "true".
package storetest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// patience bounds every wait for a server.
const patience = 20 * time.Second

// servers are the processes that the tests of a package share; the state is the package's own because Go's testing
// has nothing else that outlives a test.
var servers = new(processes)

// Main is the body of TestMain for a package whose tests call Each, URL or Advance: it runs the tests, ends the servers
// and then looks for goroutines that were left behind.
func Main(m *testing.M) { goleak.VerifyTestMain(run{m}, probes()) }

// probes excuses the goroutine in which a client of an absent server tries to dial: closed, it ends at its next try, up
// to a second later (go-redis internal/pool, tryDial), which is longer than goleak waits.
func probes() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial")
}

type run struct{ m *testing.M }

// Run runs the tests and ends the servers.
func (r run) Run() int {
	defer servers.stop()
	return r.m.Run()
}

// Each runs test once for each kind of Redis, with a client of an empty database. advance makes d pass by the
// server's clock: at once in miniredis, by waiting for it elsewhere, so that d should be short. The subtests share
// servers and must not be parallel.
func Each(t *testing.T, test func(t *testing.T, client redis.UniversalClient, advance func(d time.Duration))) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		client, advance := Embedded(t)
		test(t, client, advance)
	})
	t.Run("server", func(t *testing.T) {
		client := empty(t, servers.single(t))
		test(t, client, func(d time.Duration) { wait(t, client, d) })
	})
	t.Run("cluster", func(t *testing.T) {
		client := empty(t, servers.cluster(t))
		test(t, client, func(d time.Duration) { wait(t, client, d) })
	})
}

// Embedded returns a client of a miniredis of its own, whose clock stands until advance moves it.
func Embedded(t *testing.T) (client redis.UniversalClient, advance func(d time.Duration)) {
	t.Helper()
	server := miniredis.RunT(t)
	now := time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC)
	server.SetTime(now)
	return Open(t, "redis://"+server.Addr()), func(d time.Duration) {
		now = now.Add(d)
		server.SetTime(now)
		server.FastForward(d)
	}
}

// Server returns a client of an empty real server.
func Server(t *testing.T) redis.UniversalClient {
	t.Helper()
	return empty(t, servers.single(t))
}

// Replicated returns a client of an empty cluster of three masters with a replica each.
func Replicated(t *testing.T) redis.UniversalClient {
	t.Helper()
	return empty(t, servers.clusterOf(t, &servers.replicated, true))
}

// Away returns a client of a Redis that refuses every connection.
func Away(t *testing.T) redis.UniversalClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // nobody else can take the port before the client was made
	return Open(t, "redis://"+listener.Addr().String())
}

// Open returns a client of the Redis at url that is closed with the test. Its timeouts are a busy machine's.
func Open(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client, err := store.Open(url, store.Options{Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("close the Redis client: %v", err)
		}
	})
	// The tests look deeper than the functions do.
	whole, ok := client.(redis.UniversalClient)
	if !ok {
		t.Fatalf("%T is no redis.UniversalClient", client)
	}
	return whole
}

// Eventually waits until condition holds, for what happens in another goroutine or process.
func Eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	if !eventually(condition) {
		t.Fatalf("%s: not within %s", what, patience)
	}
}

func eventually(condition func() bool) bool {
	deadline := time.Now().Add(patience)
	for tick := time.Tick(time.Millisecond); !condition(); <-tick {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// wait returns when the server's clock is d further.
func wait(t *testing.T, client redis.UniversalClient, d time.Duration) {
	t.Helper()
	serverTime := func() time.Time {
		now, err := store.Now(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	until := serverTime().Add(d)
	Eventually(t, "time passes", func() bool { return !serverTime().Before(until) })
}

// empty opens the Redis at url and removes what an earlier test left.
func empty(t *testing.T, url string) redis.UniversalClient {
	t.Helper()
	client := Open(t, url)
	flush := func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() }
	var err error
	if cluster, ok := client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(t.Context(), flush)
	} else {
		err = client.FlushAll(t.Context()).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// needServer skips or fails a test on a machine without Redis.
func needServer(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("redis-server is not on the PATH: install it (Debian: apt-get install redis-server)")
	}
	t.Skip("redis-server is not on the PATH")
}
