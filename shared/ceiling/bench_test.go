package ceiling_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// BenchmarkGrant is what a ceiling adds to an order on a real Redis, with so many orders open; script-us is what Redis itself
// spends on it and on letting the order go, which is not timed otherwise.
func BenchmarkGrant(b *testing.B) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		b.Skip(err)
	}
	server, err := redisprocess.Start(b.Context(), false)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(server.Stop)
	client := redis.NewClient(&redis.Options{Addr: server.Address()})
	b.Cleanup(func() { _ = client.Close() })
	c := risk.Ceilings{MaxOpenOrders: many(1 << 30), MaxOpenValue: number("1000000000000"), MaxDailyValue: number("1000000000000")}
	for _, open := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprintf("open=%d", open), func(b *testing.B) {
			book := whole(b, client)
			for i := range open {
				grant(b, book, order("account-"+strconv.Itoa(i%100), strconv.Itoa(i)), "100", today, c, "")
			}
			o, value := order("account-0", "this"), usd("100")
			began := scriptTime(b, client)
			b.ReportAllocs()
			for b.Loop() {
				if verdict, err := book.Grant(b.Context(), o, value, today, &c); err != nil || verdict.Refused != "" {
					b.Fatal(verdict, err)
				}
				b.StopTimer()
				if err := book.Release(b.Context(), o, true); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric((scriptTime(b, client)-began)/float64(b.N), "script-us")
		})
	}
}

// scriptTime is the microseconds that Redis spent on scripts since it started.
func scriptTime(b *testing.B, client *redis.Client) float64 {
	b.Helper()
	microseconds, err := redisprocess.ScriptTime(b.Context(), client)
	if err != nil {
		b.Fatal(err)
	}
	return microseconds
}
