package interest_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/quote/interest"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func quotes(symbols ...string) []tick.Topic {
	all := make([]tick.Topic, len(symbols))
	for i, symbol := range symbols {
		all[i] = tick.Topic{Kind: tick.Quote, Symbol: symbol}
	}
	return all
}

// instance runs a registry until the returned function is called.
func instance(t *testing.T, client redis.UniversalClient, name string, life time.Duration) (*interest.Registry, func()) {
	t.Helper()
	r := interest.NewRegistry(client, name, life, zap.NewNop())
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	stop := sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return r, stop
}

// following is a reader with what it read last.
type following struct {
	*interest.Reader
	last map[tick.Topic]int
}

func newReader(client redis.UniversalClient) *following {
	return &following{Reader: interest.NewReader(client)}
}

// follow reads until the union is as wanted.
func follow(t *testing.T, reader *following, want map[tick.Topic]int) {
	t.Helper()
	storetest.Eventually(t, "the union", func() bool {
		watched, changed, err := reader.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if changed {
			reader.last = watched
		}
		return maps.Equal(reader.last, want)
	})
}

func counted(counts map[string]int) map[tick.Topic]int {
	all := make(map[tick.Topic]int, len(counts))
	for symbol, n := range counts {
		all[tick.Topic{Kind: tick.Quote, Symbol: symbol}] = n
	}
	return all
}

func TestUnionOfInstances(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		a, stopA := instance(t, client, "a", time.Minute)
		b, stopB := instance(t, client, "b", time.Minute)
		reader := newReader(client)
		a.Add(quotes("AAPL", "MSFT")...)
		b.Add(quotes("AAPL", "BTC/USD")...)
		follow(t, reader, counted(map[string]int{"AAPL": 2, "MSFT": 1, "BTC/USD": 1}))
		a.Remove(quotes("AAPL")...)
		follow(t, reader, counted(map[string]int{"AAPL": 1, "MSFT": 1, "BTC/USD": 1}))
		a.Remove(quotes("MSFT")...)
		a.Add(quotes("MSFT")...)
		b.Remove(quotes("AAPL")...)
		follow(t, reader, counted(map[string]int{"MSFT": 1, "BTC/USD": 1}))
		stopA()
		follow(t, reader, counted(map[string]int{"BTC/USD": 1}))
		stopB()
		follow(t, reader, counted(nil))
	})
}

// What a dead instance wanted vanishes; one that was only thought dead tells everything again.
func TestDeadInstanceIsForgotten(t *testing.T) {
	client, advance := storetest.Embedded(t)
	r, _ := instance(t, client, "a", 300*time.Millisecond)
	reader := newReader(client)
	r.Add(quotes("AAPL")...)
	follow(t, reader, counted(map[string]int{"AAPL": 1}))
	advance(time.Hour) // by Redis's clock the word has ended
	watched, changed, err := reader.Read(t.Context())
	if err != nil || !changed || len(watched) != 0 {
		t.Fatalf("%v %t %v", watched, changed, err)
	}
	r.Add(quotes("MSFT")...) // a delta: the answer is that nobody knows this instance
	follow(t, reader, counted(map[string]int{"AAPL": 1, "MSFT": 1}))
}

func TestRedisThatLostEverythingIsToldAgain(t *testing.T) {
	client, _ := storetest.Embedded(t)
	r, _ := instance(t, client, "a", 60*time.Millisecond)
	reader := newReader(client)
	r.Add(quotes("AAPL")...)
	follow(t, reader, counted(map[string]int{"AAPL": 1}))
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	follow(t, newReader(client), counted(map[string]int{"AAPL": 1}))
}

func TestManyTopicsInSeveralCalls(t *testing.T) {
	client, _ := storetest.Embedded(t)
	r, _ := instance(t, client, "a", time.Minute)
	want := make(map[tick.Topic]int)
	for i := range 5000 {
		topic := tick.Topic{Class: tick.Stock, Kind: tick.Trade, Symbol: string([]byte{'A' + byte(i/676)%26, 'A' + byte(i/26)%26, 'A' + byte(i)%26})}
		want[topic] = 1
	}
	r.Add(slicesOf(want)...)
	follow(t, newReader(client), want)
}

func slicesOf(topics map[tick.Topic]int) []tick.Topic {
	all := make([]tick.Topic, 0, len(topics))
	for topic := range topics {
		all = append(all, topic)
	}
	return all
}

// A replica that becomes the master may lack what the former one had acknowledged, or still have what it had removed.
func TestTopicsThatRedisDiffersInAreToldAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		r, _ := instance(t, client, "a", 3*time.Second)
		r.Add(quotes("AAPL", "MSFT")...)
		want := counted(map[string]int{"AAPL": 1, "MSFT": 1})
		follow(t, newReader(client), want)
		key := store.InterestKey("a")
		if err := client.SRem(t.Context(), key, quotes("AAPL")[0].String()).Err(); err != nil {
			t.Fatal(err)
		}
		follow(t, newReader(client), want)
		if err := client.SAdd(t.Context(), key, quotes("TSLA")[0].String()).Err(); err != nil {
			t.Fatal(err)
		}
		follow(t, newReader(client), want)
	})
}
