package storetest

import (
	"net"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

// A client that was closed while its server was away leaves nothing behind that fails a package's tests.
func TestAClosedClientOfAnAbsentServerIsNoLeak(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	client := redis.NewClient(&redis.Options{Addr: address, PoolSize: 1, MaxRetries: -1, DialerRetries: 1})
	for range 2 { // as many failures as the pool is large start the probe
		if err := client.Ping(t.Context()).Err(); err == nil {
			t.Fatal("an absent server answered")
		}
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if err := goleak.Find(before, probes()); err != nil {
		t.Error(err)
	}
}
