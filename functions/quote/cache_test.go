package quote_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/functions/quote"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

func TestCacheLevels(t *testing.T) {
	t.Parallel()
	first := start(t)
	second := first.sibling()
	read := first.quote(apple)
	first.advance(600 * time.Millisecond)
	mustEqual(t, "as_of from memory", first.quote(apple).AsOf, read.AsOf)
	mustEqual(t, "as_of from the other instance", second.quote(apple).AsOf, read.AsOf)
	mustEqual(t, "hits in memory", first.metric("cache_hits_total", "quote_l1"), 1)
	mustEqual(t, "hits in Redis", second.metric("cache_hits_total", "quote_l2"), 1)
	mustEqual(t, "misses", first.metric("cache_misses_total", "quote")+second.metric("cache_misses_total", "quote"), 1)

	// What came from Redis 0.6 s old is fresh for 0.4 s more, not for another second.
	first.advance(650 * time.Millisecond)
	mustEqual(t, "as_of after the TTL", second.quote(apple).AsOf, opening().Add(1250*time.Millisecond))
	mustEqual(t, "upstream calls", len(first.alpaca.calls()), 2)
}

func TestReadersShareOneUpstreamCall(t *testing.T) {
	t.Parallel()
	b := start(t)
	entered, release := make(chan struct{}, 200), make(chan struct{})
	b.alpaca.answers(func(w http.ResponseWriter, key string, symbols []string) {
		entered <- struct{}{}
		<-release
		replyKnown(w, key, symbols)
	})
	var readers sync.WaitGroup
	for i := range 100 {
		readers.Go(func() {
			path := apple
			if i%2 == 1 {
				path = "/api/v1/stocks/quotes?symbols=AAPL"
			}
			if got := b.get(path); got.Status != http.StatusOK {
				t.Errorf("status %d: %+v", got.Status, got.Error)
			}
		})
	}
	<-entered
	close(release)
	readers.Wait()
	mustEqual(t, "upstream calls", len(b.alpaca.calls()), 1)
}

func TestAReaderThatGivesUpDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	b := start(t)
	entered, release := make(chan struct{}), make(chan struct{})
	b.alpaca.answers(func(w http.ResponseWriter, key string, symbols []string) {
		close(entered)
		<-release
		replyKnown(w, key, symbols)
	})
	gone := make(chan reply)
	cancel := b.background(apple, gone)
	<-entered
	cancel()
	b.mustFail(<-gone, http.StatusServiceUnavailable, "UPSTREAM_UNAVAILABLE")
	close(release)
	b.quote(apple)
	mustEqual(t, "upstream calls", len(b.alpaca.calls()), 1)
}

func TestUnknownSymbolIsRemembered(t *testing.T) {
	t.Parallel()
	b := start(t)
	const path = "/api/v1/stocks/NOSUCH/quote"
	for range 3 {
		b.mustFail(b.get(path), http.StatusNotFound, "SYMBOL_NOT_FOUND")
	}
	b.advance(9 * time.Second)
	b.mustFail(b.get(path), http.StatusNotFound, "SYMBOL_NOT_FOUND")
	mustEqual(t, "upstream calls within 10 s", len(b.alpaca.calls()), 1)
	b.advance(time.Second)
	b.mustFail(b.get(path), http.StatusNotFound, "SYMBOL_NOT_FOUND")
	mustEqual(t, "upstream calls after 10 s", len(b.alpaca.calls()), 2)
}

func TestStaleWhileAlpacaFails(t *testing.T) {
	t.Parallel()
	b := start(t)
	read := b.quote(apple)
	b.settled()
	b.alpaca.answers(replyStatus(http.StatusInternalServerError, "internal server error occurred"))
	b.advance(30 * time.Second)

	got := b.get(apple)
	mustEqual(t, "Cache-Control", got.Header.Get("Cache-Control"), "no-store")
	for name, instance := range map[string]*bench{"the instance that read it": b, "another, from Redis": b.sibling()} {
		q := instance.quote(apple)
		if !q.Stale || q.AsOf != read.AsOf || q.BidPrice == nil {
			t.Errorf("%s answers %+v", name, q)
		}
	}
	mustEqual(t, "upstream calls", len(b.alpaca.calls()), 3) // the first read and one by each instance
	for range 10 {
		b.quote(apple)
	}
	mustEqual(t, "upstream calls within the TTL of a failure", len(b.alpaca.calls()), 3)
	mustEqual(t, "stale reads", b.metric("quote_stale_total", ""), 1)

	b.advance(30*time.Second + time.Millisecond)
	b.redis.FastForward(time.Minute)
	b.mustFail(b.get(apple), http.StatusBadGateway, "UPSTREAM_UNAVAILABLE")

	b.alpaca.answers(replyKnown)
	b.advance(time.Second)
	if q := b.quote(apple); q.Stale {
		t.Errorf("still stale: %+v", q)
	}
}

func TestRedisAway(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.redis.Close()
	b.quote(apple)
	b.quote(apple)
	mustEqual(t, "upstream calls", len(b.alpaca.calls()), 1)
	mustEqual(t, "failures", b.metric("quote_redis_failures_total", "read"), 1)
}

func TestWhatRedisHoldsIsChecked(t *testing.T) {
	t.Parallel()
	now := fmt.Sprint(opening().UnixMilli())
	const good = `1795530600000000000 1795530600000 {"t":"2026-11-23T14:30:00Z","bp":1}`
	cases := []struct {
		name, quote, asOf string
		calls             int
	}{
		{"good", good, now, 0},
		{"no JSON", `1795530600000000000 1795530600000 {"t"`, now, 1},
		{"no part", `{"t":"2026-11-23T14:30:00Z","bp":1}`, now, 1},
		{"no time", good, "", 1},
		{"older than the TTL", good, fmt.Sprint(opening().Add(-time.Second).UnixMilli()), 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.redis.HSet(store.QuoteKey("AAPL"), "quote", c.quote, "as_of", c.asOf, "at", c.asOf)
			b.quote(apple)
			mustEqual(t, "upstream calls", len(b.alpaca.calls()), c.calls)
		})
	}
	t.Run("another type", func(t *testing.T) {
		t.Parallel()
		b := start(t)
		if err := b.redis.Set(store.QuoteKey("AAPL"), "text"); err != nil {
			t.Fatal(err)
		}
		b.quote(apple)
	})
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	b := start(t, func(c *quote.Config) { c.CacheSize = 1 })
	for i := range 30 {
		b.quote(fmt.Sprintf("/api/v1/stocks/T%d/quote", i))
	}
}
