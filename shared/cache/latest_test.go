package cache_test

import (
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func number(t *testing.T, text string) decimal.Number {
	t.Helper()
	parsed, err := decimal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return decimal.Number{Decimal: parsed}
}

func newShared(client store.Client) *cache.Shared {
	return cache.NewShared(client, 5*time.Second, clock.NewFake(opening()), zap.NewNop(), prometheus.NewRegistry())
}

func TestTicks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		shared := newShared(client)
		put := func(ticks ...cache.Tick) {
			t.Helper()
			if err := shared.PutTicks(t.Context(), ticks, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		last := func(symbol string) cache.LastPrices {
			t.Helper()
			last, err := cache.Last(t.Context(), client, symbol)
			if err != nil {
				t.Fatal(err)
			}
			return last
		}
		if got := last("AAPL"); got.Quote != nil || got.Trade != nil {
			t.Errorf("of nothing: %+v", got)
		}
		quoteAt := func(at time.Time, bid string) *alpaca.Quote {
			return &alpaca.Quote{Timestamp: at, BidPrice: number(t, bid), AskPrice: number(t, "188")}
		}
		put(cache.Tick{Symbol: "AAPL", Quote: quoteAt(opening(), "187.4")},
			cache.Tick{Symbol: "BTC/USD", Trade: &alpaca.Trade{Timestamp: opening(), Price: number(t, "0.000000000123456789")}})
		got := last("AAPL")
		if got.Trade != nil || got.Quote.BidPrice.String() != "187.4" || time.Since(got.QuoteSeen) > time.Hour*24*3650 {
			t.Errorf("after a quote: %+v", got)
		}
		mustEqual(t, "a price is passed through", last("BTC/USD").Trade.Price.String(), "0.000000000123456789")
		put(cache.Tick{Symbol: "AAPL", Quote: quoteAt(opening().Add(-time.Second), "1"), Trade: &alpaca.Trade{Timestamp: opening(), Price: number(t, "187.5")}})
		got = last("AAPL")
		mustEqual(t, "the bid after an older quote", got.Quote.BidPrice.String(), "187.4")
		mustEqual(t, "the trade", got.Trade.Price.String(), "187.5")
		put(cache.Tick{Symbol: "AAPL", Quote: quoteAt(opening().Add(time.Second), "187.6")})
		mustEqual(t, "the bid after a newer quote", last("AAPL").Quote.BidPrice.String(), "187.6")
	})
}

func TestAnOlderPartReplacesWhatHasNotChangedForLong(t *testing.T) {
	client, _, advance := embedded(t)
	shared := newShared(client)
	for _, seconds := range []int{5, 0} {
		tick := cache.Tick{Symbol: "AAPL", Trade: &alpaca.Trade{Timestamp: opening().Add(time.Duration(seconds) * time.Second), Price: number(t, "1")}}
		if err := shared.PutTicks(t.Context(), []cache.Tick{tick}, time.Minute); err != nil {
			t.Fatal(err)
		}
		advance(3 * time.Second)
	}
	last, err := cache.Last(t.Context(), client, "AAPL")
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, "the trade after the later one was canceled", last.Trade.Timestamp, opening())
}

// TestWhatAlpacaNoLongerGivesIsGone: the fetching instance builds from its own answer, the other from Redis; both must
// show the same.
func TestWhatAlpacaNoLongerGivesIsGone(t *testing.T) {
	client, clk, advance := embedded(t)
	upstream := &source{}
	volatility := number(t, "0.42")
	withGreeks := true
	upstream.answers(func(keys []cache.Key) (map[cache.Key]cache.Fields, error) {
		snapshot := &alpaca.Snapshot{LatestQuote: &alpaca.Quote{Timestamp: clk.Now(), BidPrice: number(t, "1"), AskPrice: number(t, "2")}}
		if withGreeks {
			snapshot.ImpliedVolatility, snapshot.Greeks = &volatility, &alpaca.Greeks{Delta: number(t, "0.5")}
		}
		fields, err := cache.EncodeLatest(snapshot)
		return map[cache.Key]cache.Fields{keys[0]: fields}, err
	})
	latest := func(_ *cache.Config, g *cache.GroupConfig) {
		g.Build = func(_ cache.Key, r *cache.Record) (any, error) { return cache.DecodeLatest(r) }
	}
	fetching, reading := newInstance(t, client, clk, upstream, latest), newInstance(t, client, clk, upstream, latest)
	for _, withGreeks = range []bool{true, false, false} {
		for name, i := range map[string]*instance{"fetching": fetching, "reading": reading} {
			answer, err := i.group.Get(t.Context(), cache.Latest("AAPL261218C00250000"))
			if err != nil {
				t.Fatal(err)
			}
			if s, _ := answer.Value.(*alpaca.Snapshot); (s.Greeks != nil) != withGreeks || (s.ImpliedVolatility != nil) != withGreeks || answer.Stale {
				t.Errorf("%s: greeks %v, stale %t; Alpaca gives some: %t", name, s.Greeks, answer.Stale, withGreeks)
			}
		}
		advance(30 * time.Second)
	}
	mustEqual(t, "upstream calls", upstream.count(), 3)
}

// TestATickOutlivesTheAnswerThatWasUnderWay: what a whole record does not have, but a tick wrote a moment ago, stays.
func TestATickOutlivesTheAnswerThatWasUnderWay(t *testing.T) {
	client, clk, _ := embedded(t)
	upstream := &source{}
	i := newInstance(t, client, clk, upstream, func(_ *cache.Config, g *cache.GroupConfig) {
		g.Build = func(_ cache.Key, r *cache.Record) (any, error) { return cache.DecodeLatest(r) }
	})
	upstream.answers(func(keys []cache.Key) (map[cache.Key]cache.Fields, error) {
		tick := cache.Tick{Symbol: "AAPL", Trade: &alpaca.Trade{Timestamp: opening(), Price: number(t, "187.5")}}
		if err := i.shared.PutTicks(t.Context(), []cache.Tick{tick}, time.Minute); err != nil {
			return nil, err
		}
		fields, err := cache.EncodeLatest(&alpaca.Snapshot{LatestQuote: &alpaca.Quote{Timestamp: opening(), BidPrice: number(t, "187.4")}})
		return map[cache.Key]cache.Fields{keys[0]: fields}, err
	})
	if _, err := i.group.Get(t.Context(), cache.Latest("AAPL")); err != nil {
		t.Fatal(err)
	}
	last, err := cache.Last(t.Context(), client, "AAPL")
	if err != nil || last.Quote == nil || last.Trade == nil {
		t.Fatalf("%+v, %v", last, err)
	}
}

func TestUnreadableParts(t *testing.T) {
	client, _, _ := embedded(t)
	for _, text := range []string{"", "x", "0000000000000000001 000000000000x {}", "0000000000000000001 0000000000001 {", "0000000000000000001|0000000000001 {}"} {
		client.HSet(t.Context(), store.QuoteKey("AAPL"), "quote", text)
		if _, err := cache.Last(t.Context(), client, "AAPL"); !errors.Is(err, cache.ErrPart) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := cache.Last(t.Context(), storetest.Away(t), "AAPL"); err == nil {
		t.Error("no error without Redis")
	}
}

func FuzzDecodeLatest(f *testing.F) {
	f.Add("quote", `1795530600000000000 1795530600000 {"t":"2026-11-23T14:30:00Z","bp":187.4}`)
	f.Add("greeks", `1795530600000000000 1795530600000 {"greeks":{"delta":0.5},"impliedVolatility":0.2}`)
	f.Add("daily_bar", `0 0 null`)
	f.Fuzz(func(t *testing.T, name, text string) {
		snapshot, err := cache.DecodeLatest(&cache.Record{Fields: map[string]string{name: text}})
		if err == nil {
			if _, err := cache.EncodeLatest(snapshot); err != nil {
				t.Errorf("what was read can't be written: %v", err)
			}
		}
	})
}
