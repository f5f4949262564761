package feed_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/functions/quote/feed/status"
	"github.com/opitios-ai/alpaca-knative/functions/quote/interest"
	"github.com/opitios-ai/alpaca-knative/shared/crossing"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// thirty are as many stocks as the basic plan has room for.
func thirty() []tick.Topic {
	symbols := []string{
		"AAPL", "MSFT", "AMZN", "NVDA", "GOOGL", "META", "TSLA", "JPM", "V", "UNH", "XOM", "JNJ", "WMT", "MA", "PG", "HD", "CVX", "MRK",
		"ABBV", "KO", "PEP", "COST", "ADBE", "CSCO", "CRM", "MCD", "TMO", "NFLX", "AMD", "INTC",
	}
	topics := make([]tick.Topic, len(symbols))
	for i, symbol := range symbols {
		topics[i] = topic(tick.Stock, tick.Quote, symbol)
	}
	return topics
}

// limited are the topics of a class that the plan has no room for.
func (w *world) limited(class tick.Class) []string { return w.status(class).Limited }

// also says that a second instance watches topics.
func (w *world) also(topics ...tick.Topic) {
	w.t.Helper()
	registry := interest.NewRegistry(w.client, "another-instance", time.Minute, zap.NewNop())
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { registry.Run(ctx) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
	registry.Add(topics...)
}

// contracts are quotes of so many of AAPL's options.
func (w *world) contracts(count int) []tick.Topic {
	w.t.Helper()
	url := w.emulator.URL() + "/v1beta1/options/snapshots/AAPL?limit=" + strconv.Itoa(count)
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("APCA-API-KEY-ID", "PKDATA")
	r.Header.Set("APCA-API-SECRET-KEY", "secret")
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var chain struct {
		Snapshots map[string]json.RawMessage `json:"snapshots"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&chain); err != nil || len(chain.Snapshots) != count {
		w.t.Fatalf("%d contracts, %v", len(chain.Snapshots), err)
	}
	var topics []tick.Topic
	for symbol := range chain.Snapshots {
		topics = append(topics, topic(tick.Option, tick.Quote, symbol))
	}
	return topics
}

// Alpaca streams 200 option quotes to the basic plan.
func TestOptionsBeyondThePlansLimitArePolled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.Basic)
	w.start()
	h := w.listen()
	topics := w.contracts(230)
	w.watch(topics...)
	eventually(t, "two hundred are streamed, thirty are not", func() bool { return len(w.limited(tick.Option)) == len(topics)-200 })
	for _, name := range w.limited(tick.Option) {
		at := slices.IndexFunc(topics, func(t tick.Topic) bool { return t.String() == name })
		eventually(t, "values of "+name, func() bool { return h.count(topics[at]) > 0 })
	}
}

// What nobody watches any more is not read on and on, also when nothing else changes.
func TestPollingEndsWithTheLastWatcher(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.Basic)
	w.start()
	h := w.listen()
	topics := append(thirty(), topic(tick.Stock, tick.Quote, "QCOM"))
	registry := w.watch(topics...)
	eventually(t, "one is not streamed", func() bool { return len(w.limited(tick.Stock)) == 1 })
	name := w.limited(tick.Stock)[0]
	at := slices.IndexFunc(topics, func(t tick.Topic) bool { return t.String() == name })
	polled, streamed := topics[at], topics[(at+1)%len(topics)]
	eventually(t, "polled values", func() bool { return h.count(polled) > 1 })
	registry.Remove(polled)
	eventually(t, "nothing is beyond the limit", func() bool { return len(w.limited(tick.Stock)) == 0 })
	eventually(t, "it is no longer read", func() bool {
		before, from := h.count(polled), h.count(streamed)
		eventually(t, "more", func() bool { return h.count(streamed) > from+10 })
		return h.count(polled) == before
	})
}

func TestPriceWatchTakesThePlaceOfTheLightestTopic(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		watched tick.Topic
		more    []tick.Topic // what clients watch beyond the thirty
		limited int          // of those
	}{
		{"that nobody watched", topic(tick.Stock, tick.Trade, "IBM"), nil, 0},
		{"that had no room before", topic(tick.Stock, tick.Trade, "IBM"), []tick.Topic{topic(tick.Stock, tick.Trade, "IBM")}, 1},
		{"past bars, which need no room", topic(tick.Stock, tick.Quote, "IBM"), []tick.Topic{topic(tick.Stock, tick.Bar, "AAPL")}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, access.Basic)
			topics := thirty()
			lightest := topics[7]
			w.also(slices.Delete(slices.Clone(topics), 7, 8)...) // one client more for each of the others
			registry := w.watch(topics...)
			eventually(t, "declared", func() bool {
				watched, _, err := interest.NewReader(w.client).Read(t.Context())
				return err == nil && len(watched) == len(topics) && watched[topics[0]] == 2
			})
			w.start()
			eventually(t, "live", func() bool { return w.status(tick.Stock).State == status.Live })
			registry.Add(test.more...)
			eventually(t, "the first limit", func() bool { return len(w.limited(tick.Stock)) == test.limited })
			watch := &crossing.Watch{
				ID: "w1", AccountID: "data", AssetClass: "us_equity", Symbol: test.watched.Symbol, Direction: crossing.Above,
				Level: decimal.Number{Decimal: decimal.MustParse("1000000")}, Source: crossing.Trade, Repeat: true, ExpiresAt: time.Now().Add(time.Hour),
			}
			if test.watched.Kind == tick.Quote {
				watch.Source = crossing.Bid
			}
			watches := crossing.NewStore(w.client)
			if err := watches.Create(t.Context(), watch, 10); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the lightest gave its place", func() bool { return slices.Equal(w.limited(tick.Stock), []string{lightest.String()}) })
			registry.Remove(test.more...)
			if err := watches.Delete(t.Context(), watch.AccountID, watch.ID); err != nil {
				t.Fatal(err)
			}
			eventually(t, "there is room for all", func() bool { return len(w.limited(tick.Stock)) == 0 })
		})
	}
}
