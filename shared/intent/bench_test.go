package intent_test

import (
	"fmt"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// BenchmarkReserve is an order's first round trip on a real Redis, of an account that has so many open orders and so many
// requests in its window at Alpaca already; script-us is what Redis itself spends on it and on the Forget that follows, which
// is not timed otherwise.
func BenchmarkReserve(b *testing.B) {
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
	s := intent.NewStore(client, intent.Config{Limits: limits(bucket.Rate{Limit: 1 << 30, Period: time.Hour}, 1<<30, 10), Window: time.Minute})
	for _, load := range []struct{ open, taken int }{{0, 0}, {100, 0}, {1000, 0}, {0, 150}, {1000, 150}} {
		b.Run(fmt.Sprintf("open=%d,window=%d", load.open, load.taken), func(b *testing.B) {
			if err := client.FlushAll(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
			for i := range load.open {
				mustReserve(b, s, controlled("open-"+strconv.Itoa(i)), intent.New)
			}
			taken := store.UpstreamTakenKey(account, alpaca.APITrading)
			fill(b, client, taken, load.taken)
			mustReserve(b, s, controlled("first"), intent.New) // the script is there now
			began := scriptTime(b, client)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				got := mustReserve(b, s, controlled("c"+strconv.Itoa(i)), intent.New)
				b.StopTimer()
				if err := s.Forget(b.Context(), named("c"+strconv.Itoa(i)), got.Token); err != nil {
					b.Fatal(err)
				}
				if i%20 == 0 {
					fill(b, client, taken, load.taken)
				}
				b.StartTimer()
			}
			b.ReportMetric((scriptTime(b, client)-began)/float64(b.N), "script-us")
		})
	}
}

// controlled is an order with a hold.
func controlled(clientOrderID string) intent.Request {
	one := decimal.FromInt(1)
	hold := risk.HoldOf(&risk.Order{Symbol: "AAPL", Buy: true, Qty: &one, LimitPrice: &one}, nil)
	r := request(clientOrderID, "", "f")
	r.Symbol, r.Hold = "AAPL", hold.Encode()
	return r
}

// fill makes the window's list count requests long, spread over its last minute.
func fill(b *testing.B, client redis.UniversalClient, taken string, count int) {
	b.Helper()
	now, err := store.Now(b.Context(), client)
	if err != nil {
		b.Fatal(err)
	}
	_, err = client.Pipelined(b.Context(), func(pipe redis.Pipeliner) error {
		pipe.Del(b.Context(), taken)
		for i := range count {
			at := now.Add(-time.Minute + time.Duration(i+1)*time.Minute/time.Duration(count+1))
			pipe.RPush(b.Context(), taken, at.UnixMicro())
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
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
