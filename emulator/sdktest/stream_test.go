package sdktest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata"
	sdk "github.com/alpacahq/alpaca-trade-api-go/v3/marketdata/stream"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/stream"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
)

// streamDeadline is how long a test waits for a message of a kind.
const streamDeadline = 20 * time.Second

// streaming starts an emulator on a Tuesday morning; a minute lasts a tenth of a second.
func streaming(t *testing.T) (*emulator.Emulator, string) {
	t.Helper()
	e, err := emulator.New(emulator.Config{
		Accounts:     []emulator.Account{{KeyID: "PKSDK", SecretKey: "secret", Token: "token"}},
		TradingLimit: -1, DataLimit: -1, FillLatency: -1, PartialFillProbability: -1,
		MarketClock: "accelerated", ClockSpeed: 600, ClockStart: time.Date(2026, time.November, 24, 15, 0, 0, 0, time.UTC),
		Streams: stream.Settings{Data: feed.Settings{Interval: 10 * time.Millisecond}},
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return e, "ws" + strings.TrimPrefix(e.URL(), "http")
}

type silence struct{}

func (silence) Infof(string, ...any)  {}
func (silence) Warnf(string, ...any)  {}
func (silence) Errorf(string, ...any) {}

// seen collects what handlers got, by kind.
type seen struct {
	mu    sync.Mutex
	kinds map[string]int
	wrong []string
}

func (s *seen) note(kind string, right bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds == nil {
		s.kinds = make(map[string]int)
	}
	s.kinds[kind]++
	if !right {
		s.wrong = append(s.wrong, kind)
	}
}

func (s *seen) count(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kinds[kind]
}

// want waits until each kind came, and checks that all that came was right.
func (s *seen) want(t *testing.T, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		eventually(t, "a message: "+kind, func() bool { return s.count(kind) > 0 })
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) > 0 {
		t.Errorf("wrong messages: %v", s.wrong)
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(streamDeadline); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

// ok fails when one of the calls did.
func ok(t *testing.T, problems ...error) {
	t.Helper()
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
}

func post(t *testing.T, url, body string) {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		t.Fatalf("POST %s: status %d", url, response.StatusCode)
	}
}

func recent(at time.Time) bool { return at.Year() == 2026 && at.Month() == time.November }

func TestStocksClient(t *testing.T) {
	t.Parallel()
	e, base := streaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s seen
	bar := func(kind string) func(sdk.Bar) {
		return func(b sdk.Bar) {
			s.note(kind, b.Symbol != "" && b.High >= b.Low && b.Open > 0 && b.Close > 0 && b.Volume > 0 && b.VWAP > 0 && recent(b.Timestamp))
		}
	}
	trade := func(tr sdk.Trade) {
		s.note("trade of "+tr.Symbol, tr.ID > 0 && tr.Price > 0 && tr.Size > 0 && tr.Exchange != "" && len(tr.Conditions) > 0 && tr.Tape == "C" && recent(tr.Timestamp))
	}
	quote := func(q sdk.Quote) {
		s.note("quote of "+q.Symbol, q.BidPrice < q.AskPrice && q.BidSize > 0 && q.AskSize > 0 && q.BidExchange != "" && q.AskExchange != "" && len(q.Conditions) == 1)
	}
	status := func(st sdk.TradingStatus) { s.note("status "+st.StatusCode, st.StatusMsg != "" && st.Tape == "C") }
	imbalance := func(i sdk.Imbalance) { s.note("imbalance", i.Price > 0 && i.Tape == "C" && recent(i.Timestamp)) }
	band := func(l sdk.LULD) { s.note("band", l.LimitUpPrice > l.LimitDownPrice && l.Indicator == "B") }
	client := sdk.NewStocksClient(marketdata.SIP,
		sdk.WithBaseURL(base+"/v2"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(silence{}),
		sdk.WithReconnectSettings(3, 10*time.Millisecond), sdk.WithBufferSize(100_000), sdk.WithProcessors(2),
		sdk.WithConnectCallback(func() { s.note("connected", true) }),
		sdk.WithDisconnectCallback(func() { s.note("disconnected", true) }),
		sdk.WithBufferFillCallback(func([]byte) { s.note("buffer full", false) }),
		sdk.WithTrades(trade, "AAPL"), sdk.WithQuotes(quote, "AAPL"), sdk.WithBars(bar("bar"), "AAPL"),
		sdk.WithUpdatedBars(bar("updated bar"), "AAPL"), sdk.WithDailyBars(bar("daily bar"), "AAPL"),
		sdk.WithStatuses(status, "AAPL"), sdk.WithImbalances(imbalance, "AAPL"), sdk.WithLULDs(band, "AAPL"),
		sdk.WithCancelErrors(func(x sdk.TradeCancelError) { s.note("cancel", x.ID > 0 && x.CancelErrorAction == "C" && x.Size > 0) }),
		sdk.WithCorrections(func(c sdk.TradeCorrection) {
			s.note("correction", c.OriginalID > 0 && c.CorrectedSize == c.OriginalSize+1)
		}),
	)
	ok(t, client.Connect(ctx))
	s.want(t, "connected", "trade of AAPL", "quote of AAPL", "bar", "updated bar", "daily bar", "band")
	ok(t, e.Streams().Hub.CancelTrade("AAPL"), e.Streams().Hub.CorrectTrade("AAPL"))
	s.want(t, "cancel", "correction")
	post(t, e.AdminURL()+"/emulator/halt", `{"symbol":"AAPL"}`)
	s.want(t, "status H", "imbalance")

	client.RegisterCancelErrors(func(sdk.TradeCancelError) { s.note("second cancel", true) })
	client.RegisterCorrections(func(sdk.TradeCorrection) { s.note("second correction", true) })
	ok(t, client.SubscribeToTrades(trade, "MSFT"), client.SubscribeToQuotes(quote, "MSFT"),
		client.SubscribeToBars(bar("second bar"), "MSFT"), client.SubscribeToUpdatedBars(bar("second updated bar"), "MSFT"),
		client.SubscribeToDailyBars(bar("second daily bar"), "MSFT"), client.SubscribeToStatuses(status, "MSFT"),
		client.SubscribeToImbalances(imbalance, "MSFT"), client.SubscribeToLULDs(band, "MSFT"))
	s.want(t, "trade of MSFT", "quote of MSFT", "second bar", "second updated bar", "second daily bar")
	ok(t, e.Streams().Hub.CancelTrade("MSFT"), e.Streams().Hub.CorrectTrade("MSFT"))
	s.want(t, "second cancel", "second correction")
	client.UnregisterCancelErrors()
	client.UnregisterCorrections()
	ok(t, client.UnsubscribeFromTrades("AAPL", "MSFT"), client.UnsubscribeFromQuotes("AAPL", "MSFT"), client.UnsubscribeFromBars("AAPL", "MSFT"),
		client.UnsubscribeFromUpdatedBars("AAPL", "MSFT"), client.UnsubscribeFromDailyBars("AAPL", "MSFT"),
		client.UnsubscribeFromStatuses("AAPL", "MSFT"), client.UnsubscribeFromImbalances("AAPL", "MSFT"), client.UnsubscribeFromLULDs("AAPL", "MSFT"))
	if open := e.Streams().Open()[string(feed.Stocks)]; open != 1 {
		t.Errorf("%d stock streams are open", open)
	}
	cancel()
	<-client.Terminated()
	s.want(t, "disconnected")
}

func TestCryptoClient(t *testing.T) {
	t.Parallel()
	_, base := streaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s seen
	bar := func(kind string) func(sdk.CryptoBar) {
		return func(b sdk.CryptoBar) {
			s.note(kind, b.High >= b.Low && b.Open > 0 && b.Volume >= 0 && recent(b.Timestamp))
		}
	}
	trade := func(tr sdk.CryptoTrade) {
		s.note("trade of "+tr.Symbol, tr.Price > 0 && tr.Size > 0 && tr.ID > 0 && (tr.TakerSide == marketdata.TakerSideBuy || tr.TakerSide == marketdata.TakerSideSell))
	}
	quote := func(q sdk.CryptoQuote) {
		s.note("quote of "+q.Symbol, q.BidPrice < q.AskPrice && q.BidSize > 0 && q.AskSize > 0)
	}
	book := func(b sdk.CryptoOrderbook) {
		if b.Reset {
			s.note("whole book of "+b.Symbol, len(b.Bids) > 1 && len(b.Asks) > 1 && b.Bids[0].Price < b.Asks[0].Price)
			return
		}
		s.note("book of "+b.Symbol, len(b.Bids)+len(b.Asks) > 0)
	}
	client := sdk.NewCryptoClient(marketdata.US,
		sdk.WithBaseURL(base+"/v1beta3/crypto"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(silence{}),
		sdk.WithReconnectSettings(3, 10*time.Millisecond), sdk.WithBufferSize(100_000),
		sdk.WithCryptoTrades(trade, "*"), sdk.WithCryptoQuotes(quote, "BTC/USD"), sdk.WithCryptoBars(bar("bar"), "BTC/USD"),
		sdk.WithCryptoUpdatedBars(bar("updated bar"), "BTC/USD"), sdk.WithCryptoDailyBars(bar("daily bar"), "BTC/USD"),
		sdk.WithCryptoOrderbooks(book, "BTC/USD"),
	)
	ok(t, client.Connect(ctx))
	s.want(t, "trade of BTC/USD", "quote of BTC/USD", "bar", "updated bar", "daily bar", "whole book of BTC/USD", "book of BTC/USD")
	ok(t, client.SubscribeToTrades(trade, "ETH/USD"), client.SubscribeToQuotes(quote, "ETH/USD"), client.SubscribeToBars(bar("bar"), "ETH/USD"),
		client.SubscribeToUpdatedBars(bar("updated bar"), "ETH/USD"), client.SubscribeToDailyBars(bar("daily bar"), "ETH/USD"),
		client.SubscribeToOrderbooks(book, "ETH/USD"))
	s.want(t, "trade of ETH/USD", "quote of ETH/USD", "whole book of ETH/USD", "book of ETH/USD")
	ok(t, client.UnsubscribeFromTrades("*", "ETH/USD"), client.UnsubscribeFromQuotes("BTC/USD"), client.UnsubscribeFromBars("BTC/USD"),
		client.UnsubscribeFromUpdatedBars("BTC/USD"), client.UnsubscribeFromDailyBars("BTC/USD"), client.UnsubscribeFromOrderbooks("BTC/USD"))
	if err := client.SubscribeToPerpPricing(func(sdk.CryptoPerpPricing) {}, "BTC/USD"); !errors.Is(err, sdk.ErrSubscriptionChangeInvalidForFeed) {
		t.Errorf("pricing of a pair: %v", err)
	}
	cancel()
	<-client.Terminated()
}

func TestPerpetualFutures(t *testing.T) {
	t.Parallel()
	_, base := streaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s seen
	pricing := func(p sdk.CryptoPerpPricing) {
		s.note("pricing of "+p.Symbol, p.MarkPrice > 0 && p.IndexPrice > 0 && p.OpenInterest > 0 && p.FundingRate > 0 && p.NextFundingTime.After(p.Timestamp))
	}
	client := sdk.NewCryptoClient(marketdata.GLOBAL,
		sdk.WithBaseURL(base+"/v1beta1/crypto-perps"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(silence{}),
		sdk.WithReconnectSettings(3, 10*time.Millisecond), sdk.WithBufferSize(100_000), sdk.WithCryptoPerpPricing(pricing, "BTC-PERP"))
	ok(t, client.Connect(ctx))
	s.want(t, "pricing of BTC-PERP")
	ok(t, client.SubscribeToPerpPricing(pricing, "ETH-PERP"))
	s.want(t, "pricing of ETH-PERP")
	ok(t, client.UnsubscribeFromPerpPricing("BTC-PERP", "ETH-PERP"))
	cancel()
	<-client.Terminated()
}
