package cache_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestLevels(t *testing.T) {
	client, clk, advance := embedded(t)
	upstream := &source{}
	first, second := newInstance(t, client, clk, upstream), newInstance(t, client, clk, upstream)
	first.mustRead("AAPL", "AAPL 1", false)
	written(t, client, "AAPL")
	advance(600 * time.Millisecond)
	first.mustRead("AAPL", "AAPL 1", false)
	if answer := second.read("AAPL"); !answer.AsOf.Equal(opening()) || answer.Stale {
		t.Errorf("from Redis: %+v", answer)
	}
	// What came from Redis 0.6 s old is fresh for 0.4 s more, not for another second.
	advance(400*time.Millisecond + usual.Revalidate)
	second.mustRead("AAPL", "AAPL 2", false)
	mustEqual(t, "upstream calls", upstream.count(), 2)
}

// written waits until an instance has written what it read: it does so after its readers were answered.
func written(t *testing.T, client redis.UniversalClient, symbol string) {
	t.Helper()
	key := store.FetchLeaseKey(string(cache.KindBars), symbol, "1Day")
	storetest.Eventually(t, "the value is written and the lease given back", func() bool {
		return client.Exists(t.Context(), key).Val() == 0
	})
}

func TestOneFetchOverAllInstances(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		upstream := &source{}
		release := make(chan struct{})
		upstream.answers(func(keys []cache.Key) (map[cache.Key]cache.Fields, error) {
			<-release
			return numbered(1, keys), nil
		})
		clk := clock.NewFake(opening())
		var readers sync.WaitGroup
		for range 3 {
			i := newInstance(t, client, clk, upstream)
			for range 50 {
				readers.Go(func() { i.mustRead("AAPL", "AAPL 1", false) })
			}
		}
		storetest.Eventually(t, "one instance fetches", func() bool { return upstream.count() == 1 })
		close(release)
		readers.Wait()
		mustEqual(t, "upstream calls", upstream.count(), 1)
	})
}

func TestSymbolsShareACall(t *testing.T) {
	client, clk, _ := embedded(t)
	upstream := &source{}
	i := newInstance(t, client, clk, upstream, func(_ *cache.Config, g *cache.GroupConfig) { g.Window, g.Most = time.Hour, 60 })
	var readers sync.WaitGroup
	for n := range 60 {
		readers.Go(func() { i.read(fmt.Sprintf("S%d", n)) })
	}
	readers.Wait()
	mustEqual(t, "upstream calls", upstream.count(), 1)
}

func TestAListLargerThanACall(t *testing.T) {
	client, clk, _ := embedded(t)
	upstream := &source{}
	i := newInstance(t, client, clk, upstream, func(_ *cache.Config, g *cache.GroupConfig) { g.Most = 3 })
	keys := make([]cache.Key, 0, 7)
	for n := range 7 {
		keys = append(keys, document(fmt.Sprintf("S%d", n)))
	}
	keys[5] = document("NOSUCH")
	for n, outcome := range i.group.GetAll(t.Context(), keys) {
		if (outcome.Err != nil) != (n == 5) {
			t.Errorf("%d: %+v", n, outcome)
		}
	}
	mustEqual(t, "upstream calls", upstream.count(), 3)
}

func TestUnknownIsRememberedByAll(t *testing.T) {
	client, clk, advance := embedded(t)
	upstream := &source{}
	first, second := newInstance(t, client, clk, upstream), newInstance(t, client, clk, upstream)
	for n, i := range []*instance{first, first, second} {
		if n == 2 {
			written(t, client, "NOSUCH")
		}
		if _, err := i.group.Get(t.Context(), document("NOSUCH")); !errors.Is(err, problem.SymbolNotFound) {
			t.Errorf("got %v", err)
		}
	}
	mustEqual(t, "upstream calls", upstream.count(), 1)
	advance(usual.Negative)
	_, _ = first.group.Get(t.Context(), document("NOSUCH"))
	mustEqual(t, "upstream calls after its time", upstream.count(), 2)
}

func TestAnsweredWhileReadAnew(t *testing.T) {
	client, clk, advance := embedded(t)
	upstream := &source{}
	i := newInstance(t, client, clk, upstream)
	i.mustRead("AAPL", "AAPL 1", false)
	written(t, client, "AAPL")
	advance(usual.Fresh + usual.Revalidate/2)
	i.mustRead("AAPL", "AAPL 1", true)
	storetest.Eventually(t, "it is read anew", func() bool { return i.read("AAPL").Value == "AAPL 2" })
	mustEqual(t, "upstream calls", upstream.count(), 2)
}

func TestOlderValuesStandIn(t *testing.T) {
	client, clk, advance := embedded(t)
	upstream := &source{}
	i, other := newInstance(t, client, clk, upstream), newInstance(t, client, clk, upstream)
	i.mustRead("AAPL", "AAPL 1", false)
	written(t, client, "AAPL")
	failure := problem.UpstreamFailed.New("Alpaca is not able to answer at the moment")
	upstream.answers(func([]cache.Key) (map[cache.Key]cache.Fields, error) { return nil, failure })
	advance(30 * time.Second)
	for range 5 { // a failure is remembered for a moment, so that a failing Alpaca is not flooded
		i.mustRead("AAPL", "AAPL 1", true)
	}
	mustEqual(t, "upstream calls", upstream.count(), 2)
	other.mustRead("AAPL", "AAPL 1", true) // from Redis
	if _, err := i.group.Get(t.Context(), document("MSFT")); !errors.Is(err, problem.UpstreamFailed) {
		t.Errorf("of what was never read: %v", err)
	}
	advance(30*time.Second + time.Millisecond)
	if _, err := i.group.Get(t.Context(), document("AAPL")); !errors.Is(err, problem.UpstreamFailed) {
		t.Errorf("of what is too old: %v", err)
	}
	upstream.answers(nil)
	advance(time.Second)
	if answer := i.read("AAPL"); answer.Stale {
		t.Errorf("still stale: %+v", answer)
	}
}

func TestAlpacaHangs(t *testing.T) {
	client, clk, advance := embedded(t)
	upstream := &source{}
	i := newInstance(t, client, clk, upstream, func(c *cache.Config, _ *cache.GroupConfig) { c.WaitForOthers = time.Millisecond })
	i.mustRead("AAPL", "AAPL 1", false)
	written(t, client, "AAPL")
	release := make(chan struct{})
	upstream.answers(func(keys []cache.Key) (map[cache.Key]cache.Fields, error) {
		<-release
		return numbered(2, keys), nil
	})
	advance(10 * time.Second)
	i.mustRead("AAPL", "AAPL 1", true)
	close(release)
	storetest.Eventually(t, "the late answer counts", func() bool { return i.read("AAPL").Value == "AAPL 2" })
}

func TestAnInstanceDiesWhileItFetches(t *testing.T) {
	client, clk, advance := embedded(t)
	// The dead one's lease is there and will not be given back.
	key := store.FetchLeaseKey(string(cache.KindBars), "AAPL", "1Day")
	if err := client.Set(t.Context(), key, "dead", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	upstream := &source{}
	i := newInstance(t, client, clk, upstream, func(c *cache.Config, _ *cache.GroupConfig) { c.WaitForOthers = 10 * time.Millisecond })
	i.mustRead("AAPL", "AAPL 1", false)
	advance(time.Minute)
	mustEqual(t, "the lease of the other", client.Get(t.Context(), key).Val(), "dead")
}

func TestRedisAway(t *testing.T) {
	clk := clock.NewFake(opening())
	upstream := &source{}
	i := newInstance(t, storetest.Away(t), clk, upstream)
	i.mustRead("AAPL", "AAPL 1", false)
	i.mustRead("AAPL", "AAPL 1", false)
	clk.Advance(usual.Fresh + usual.Revalidate)
	i.mustRead("AAPL", "AAPL 2", false)
	mustEqual(t, "upstream calls", upstream.count(), 2)
}

func TestWhatRedisHoldsIsChecked(t *testing.T) {
	client, clk, _ := embedded(t)
	cases := map[string]map[string]string{
		"no document": {"at": fmt.Sprint(opening().UnixMilli()), "as_of": fmt.Sprint(opening().UnixMilli())},
		"no time":     {"data": "AAPL 9"},
		"no as_of":    {"at": fmt.Sprint(opening().UnixMilli()), "data": "AAPL 9"},
		"no number":   {"at": "soon", "data": "AAPL 9"},
	}
	for name, fields := range cases {
		t.Run(name, func(t *testing.T) {
			symbol := "S" + strconv.Itoa(len(name))
			if err := client.HSet(t.Context(), store.DocumentKey("bars", symbol, "1Day"), fields).Err(); err != nil {
				t.Fatal(err)
			}
			newInstance(t, client, clk, &source{}).mustRead(symbol, symbol+" 1", false)
		})
	}
	t.Run("another type", func(t *testing.T) {
		client.Set(t.Context(), store.DocumentKey("bars", "AAPL", "1Day"), "text", 0)
		newInstance(t, client, clk, &source{}).mustRead("AAPL", "AAPL 1", false)
	})
}

func TestStopped(t *testing.T) {
	client, clk, _ := embedded(t)
	i := newInstance(t, client, clk, &source{})
	i.cache.Stop()
	if _, err := i.group.Get(t.Context(), document("AAPL")); !errors.Is(err, problem.Unavailable) {
		t.Errorf("got %v", err)
	}
}

// sized is a large document.
type sized int

func (s sized) Size() int { return int(s) }

func TestDocumentsAreBounded(t *testing.T) {
	client, clk, _ := embedded(t)
	upstream := &source{}
	i := newInstance(t, client, clk, upstream, func(c *cache.Config, g *cache.GroupConfig) {
		c.DocumentBytes = 10 << 20
		g.Build = func(cache.Key, *cache.Record) (any, error) { return sized(6 << 20), nil }
	})
	for range 3 {
		for _, symbol := range []string{"AAPL", "MSFT"} {
			i.read(symbol)
			written(t, client, symbol)
		}
	}
	// Two do not fit: what is not in memory comes from Redis.
	mustEqual(t, "upstream calls", upstream.count(), 2)
}
