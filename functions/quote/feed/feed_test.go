package feed_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/functions/quote/feed/status"
	"github.com/opitios-ai/alpaca-knative/functions/quote/interest"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

func TestWhatIsWatchedIsPublishedAndStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.AlgoTraderPlus)
	w.start("ALPACA_FEED", "sip")
	h := w.listen()
	stock, pair := topic(tick.Stock, tick.Quote, "AAPL"), topic(tick.Crypto, tick.Quote, "BTC/USD")
	registry := w.watch(stock, pair)
	for _, watched := range []tick.Topic{stock, pair} {
		eventually(t, "ticks of "+watched.String(), func() bool { return h.count(watched) > 2 })
	}
	if got := w.status(tick.Stock); got.State != status.Live || got.Source != "sip" || got.Gaps != 0 {
		t.Errorf("stocks: %+v", got)
	}
	if got := w.status(tick.Option); got.State != status.Idle {
		t.Errorf("options, which nobody watches: %+v", got)
	}
	eventually(t, "the quote in the cache", func() bool {
		last, err := cache.Last(t.Context(), w.client, "AAPL")
		return err == nil && last.Quote != nil && last.Quote.BidPrice.IsPos()
	})
	// A second symbol joins the same connection, the first one leaves it.
	another := topic(tick.Stock, tick.Quote, "MSFT")
	registry.Add(another)
	registry.Remove(stock)
	eventually(t, "ticks of the second symbol", func() bool { return h.count(another) > 2 })
	before := h.count(another)
	eventually(t, "the first symbol is left", func() bool {
		at := h.count(stock)
		eventually(t, "more", func() bool { return h.count(another) > before+2 })
		before = h.count(another)
		return h.count(stock) == at
	})
	if open := w.emulator.Streams().Open()["stocks"]; open != 1 {
		t.Errorf("%d connections", open)
	}
}

// What reads share says of which source it is: ticks of another one must not go there.
func TestOnlyTicksOfTheSourceOfReadsAreStored(t *testing.T) {
	t.Parallel()
	contract := "AAPL270115C00200000"
	for _, test := range []struct {
		name    string
		plan    access.Plan
		environ []string
		class   tick.Class
		symbol  string
		stored  bool
	}{
		{"iex reads, sip stream", access.AlgoTraderPlus, nil, tick.Stock, "AAPL", false},
		{"iex reads, iex stream", access.AlgoTraderPlus, []string{"FEED_STOCK_SOURCES", "iex"}, tick.Stock, "AAPL", true},
		{"sip reads, stream fell back to iex", access.Basic, []string{"ALPACA_FEED", "sip"}, tick.Stock, "AAPL", false},
		{"indicative reads, opra stream", access.AlgoTraderPlus, nil, tick.Option, contract, false},
		{"opra reads, opra stream", access.AlgoTraderPlus, []string{"ALPACA_OPTION_FEED", "opra"}, tick.Option, contract, true},
		{"crypto of another location", access.AlgoTraderPlus, []string{"ALPACA_CRYPTO_LOCATION", "eu-1"}, tick.Crypto, "BTC/USD", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.plan)
			stop := w.start(test.environ...)
			h := w.listen()
			watched := topic(test.class, tick.Quote, test.symbol)
			w.watch(watched)
			eventually(t, "ticks", func() bool { return h.count(watched) > 2 })
			stop() // what is to be stored is stored by then
			last, err := cache.Last(t.Context(), w.client, test.symbol)
			if stored := err == nil && last.Quote != nil; stored != test.stored {
				t.Errorf("stored: %v, want %v (%+v, %v)", stored, test.stored, last, err)
			}
		})
	}
}

func TestFallsBackToWhatThePlanHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.Basic)
	w.start("FEED_CODEC", "json")
	h := w.listen()
	stock := topic(tick.Stock, tick.Quote, "SPY")
	w.watch(stock, topic(tick.Stock, tick.Trade, "SPY"))
	eventually(t, "quotes from IEX", func() bool { return h.count(stock) > 2 && w.status(tick.Stock).Source == "iex" })
}

func TestBeyondThePlansLimitIsPolled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.Basic)
	w.start()
	h := w.listen()
	symbols := []string{
		"AAPL", "MSFT", "AMZN", "NVDA", "GOOGL", "META", "TSLA", "JPM", "V", "UNH", "XOM", "JNJ", "WMT", "MA", "PG", "HD", "CVX", "MRK",
		"ABBV", "KO", "PEP", "COST", "ADBE", "CSCO", "CRM", "MCD", "TMO", "NFLX", "AMD", "INTC", "QCOM", "TXN", "HON", "IBM",
	}
	topics := make([]tick.Topic, len(symbols))
	for i, symbol := range symbols {
		topics[i] = topic(tick.Stock, tick.Quote, symbol)
	}
	registry := w.watch(topics...)
	eventually(t, "thirty are streamed, four are not", func() bool {
		return w.status(tick.Stock).State == status.Live && len(w.status(tick.Stock).Limited) == len(symbols)-30
	})
	for _, watched := range topics {
		eventually(t, "ticks of "+watched.String(), func() bool { return h.count(watched) > 1 })
	}
	registry.Remove(topics[:10]...)
	eventually(t, "there is room for all", func() bool { return len(w.status(tick.Stock).Limited) == 0 })
}

func TestCutConnectionIsMadeAnewAndTheGapIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.AlgoTraderPlus)
	w.start()
	h := w.listen()
	stock := topic(tick.Stock, tick.Quote, "AAPL")
	w.watch(stock)
	eventually(t, "ticks", func() bool { return h.count(stock) > 2 })
	for cut := range 3 {
		w.cut("stocks")
		eventually(t, fmt.Sprintf("gap %d is told", cut+1), func() bool {
			s := w.status(tick.Stock)
			return s.Gaps == int64(cut+1) && s.State == status.Live && s.To.After(s.From)
		})
		before := h.count(stock)
		eventually(t, "more ticks", func() bool { return h.count(stock) > before })
	}
}

// A standby takes over within three seconds of the leader's end, and after its word ended when it died.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.AlgoTraderPlus)
	stop := w.start()
	h := w.listen()
	stock := topic(tick.Stock, tick.Quote, "AAPL")
	w.watch(stock)
	eventually(t, "ticks", func() bool { return h.count(stock) > 2 })
	w.start()
	if h.leaders() != 1 {
		t.Fatalf("%d leaders", h.leaders())
	}
	began := time.Now()
	stop()
	eventually(t, "ticks of the next leader", func() bool { return h.leaders() == 2 })
	t.Logf("taken over after %s", time.Since(began))
	eventually(t, "the gap is told", func() bool { return w.status(tick.Stock).Gaps == 1 })
}

// The next leader ends the gap that it finds, also one that its predecessors did not see the end of.
func TestGapOutlivesLeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.AlgoTraderPlus)
	stop := w.start()
	stock := topic(tick.Stock, tick.Quote, "AAPL")
	w.watch(stock)
	h := w.listen()
	eventually(t, "ticks", func() bool { return h.count(stock) > 2 })
	var down status.Class
	eventually(t, "the leader ends while it reconnects", func() bool {
		eventually(t, "live", func() bool { return w.status(tick.Stock).State == status.Live })
		before := w.status(tick.Stock).Gaps
		w.cut("stocks")
		eventually(t, "cut", func() bool {
			now := w.status(tick.Stock)
			return now.State == status.Connecting || now.Gaps > before
		})
		stop()
		if down = w.status(tick.Stock); down.State == status.Connecting {
			return true
		}
		stop = w.start() // it was back already
		return false
	})
	w.start()
	eventually(t, "the gap is told", func() bool { return w.status(tick.Stock).State == status.Live })
	if now := w.status(tick.Stock); now.Gaps != down.Gaps+1 || !now.From.Equal(down.Since) || !now.To.After(now.From) {
		t.Errorf("%+v after %+v", now, down)
	}
}

func TestRecall(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-time.Minute).UTC()
	for _, test := range []struct {
		name   string
		former status.Class
		from   time.Time // of the gap; zero: there is none
	}{
		{"live", status.Class{State: status.Live, Gaps: 3}, at},
		{"connecting after data was lost", status.Class{State: status.Connecting, Gaps: 3, Down: at.Add(-time.Second)}, at.Add(-time.Second)},
		{"connecting for the first time", status.Class{State: status.Connecting, Gaps: 3, Since: at}, time.Time{}},
		{"had not begun after data was lost", status.Class{State: status.Idle, Gaps: 3, Down: at.Add(-time.Second)}, at.Add(-time.Second)},
		{"idle", status.Class{State: status.Idle, Gaps: 3}, time.Time{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, access.AlgoTraderPlus)
			said := status.Feed{Token: 1, At: at, Classes: make([]status.Class, len(tick.Classes()))}
			said.Classes[tick.Stock] = test.former
			encoded, err := said.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := w.client.Set(t.Context(), store.FeedStatusKey(), encoded, status.Life).Err(); err != nil {
				t.Fatal(err)
			}
			w.watch(topic(tick.Stock, tick.Quote, "AAPL"))
			eventually(t, "declared", func() bool {
				watched, _, err := interest.NewReader(w.client).Read(t.Context())
				return err == nil && len(watched) == 1
			})
			w.start()
			eventually(t, "live", func() bool { s := w.status(tick.Stock); return s.State == status.Live && s.Source == "sip" })
			now, gaps := w.status(tick.Stock), int64(3)
			if !test.from.IsZero() {
				gaps++
			}
			if now.Gaps != gaps || !now.From.Equal(test.from) || !now.Down.IsZero() {
				t.Errorf("%+v, want a gap from %v", now, test.from)
			}
		})
	}
}

func TestRedisAwayAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.AlgoTraderPlus)
	w.start()
	stock := topic(tick.Stock, tick.Quote, "AAPL")
	w.watch(stock)
	h := w.listen()
	eventually(t, "ticks", func() bool { return h.count(stock) > 2 })
	w.redis.SetError("LOADING Redis is loading the dataset in memory")
	eventually(t, "the leader gives up", func() bool {
		return w.emulator.Streams().Open()["stocks"] == 0
	})
	w.redis.SetError("")
	before := h.count(stock)
	eventually(t, "ticks again", func() bool { return h.count(stock) > before })
}
