package sdktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata"
	sdk "github.com/alpacahq/alpaca-trade-api-go/v3/marketdata/stream"
)

func TestOptionClient(t *testing.T) {
	t.Parallel()
	_, base := streaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s seen
	symbols := make(chan string, 1)
	trade := func(tr sdk.OptionTrade) {
		s.note("trade", tr.Price > 0 && tr.Size > 0 && tr.Exchange != "" && tr.Condition != "" && recent(tr.Timestamp))
		select {
		case symbols <- tr.Symbol:
		default:
		}
	}
	quote := func(q sdk.OptionQuote) {
		s.note("quote", q.AskPrice >= q.BidPrice && q.AskSize > 0 && q.AskExchange != "" && q.Condition != "" && recent(q.Timestamp))
	}
	client := sdk.NewOptionClient(marketdata.OPRA,
		sdk.WithBaseURL(base+"/v1beta1"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(silence{}),
		sdk.WithReconnectSettings(3, 10*time.Millisecond), sdk.WithBufferSize(100_000),
		sdk.WithOptionTrades(trade, "*"), sdk.WithOptionQuotes(quote, "AAPL261218C00250000"))
	ok(t, client.Connect(ctx))
	s.want(t, "trade", "quote")
	traded := <-symbols
	ok(t, client.SubscribeToTrades(trade, traded), client.SubscribeToQuotes(quote, traded),
		client.UnsubscribeFromTrades("*", traded), client.UnsubscribeFromQuotes(traded))
	if err := client.SubscribeToQuotes(quote, "*"); err == nil {
		t.Error("all option quotes were granted")
	}
	cancel()
	<-client.Terminated()
}

func TestNewsClient(t *testing.T) {
	t.Parallel()
	_, base := streaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s seen
	article := func(n sdk.News) {
		s.note("news", n.ID > 0 && n.Headline != "" && n.Author != "" && n.URL != "" && len(n.Symbols) > 0 && recent(n.CreatedAt) && recent(n.UpdatedAt))
	}
	client := sdk.NewNewsClient(sdk.WithBaseURL(base+"/v1beta1/news"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(silence{}),
		sdk.WithReconnectSettings(3, 10*time.Millisecond), sdk.WithNews(article, "*"))
	ok(t, client.Connect(ctx))
	s.want(t, "news")
	ok(t, client.SubscribeToNews(article, "AAPL"), client.UnsubscribeFromNews("*", "AAPL"))
	cancel()
	<-client.Terminated()
}

// TestTestFeed connects as Alpaca's own examples do.
func TestTestFeed(t *testing.T) {
	t.Parallel()
	_, base := streaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s seen
	client := sdk.NewStocksClient("test", sdk.WithBaseURL(base+"/v2"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(silence{}),
		sdk.WithReconnectSettings(3, 10*time.Millisecond),
		sdk.WithQuotes(func(q sdk.Quote) {
			s.note("quote", q.Symbol == "FAKEPACA" && q.Tape == "A" && q.BidPrice > 130 && q.AskPrice < 140)
		}, "FAKEPACA"))
	ok(t, client.Connect(ctx))
	s.want(t, "quote")
	cancel()
	<-client.Terminated()
}

// TestSDKTakesRefusals checks that the SDK understands the refusals that end its attempts.
func TestSDKTakesRefusals(t *testing.T) {
	t.Parallel()
	_, base := streaming(t)
	connect := func(path, feed, secret string, more ...sdk.StockOption) error {
		client := sdk.NewStocksClient(feed, append([]sdk.StockOption{
			sdk.WithBaseURL(base + path), sdk.WithCredentials("PKSDK", secret), sdk.WithLogger(silence{}),
			sdk.WithReconnectSettings(1, time.Millisecond),
		}, more...)...)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := client.Connect(ctx)
		if err == nil {
			cancel()
			<-client.Terminated()
		}
		return err
	}
	if err := connect("/v2", marketdata.IEX, "wrong"); !errors.Is(err, sdk.ErrInvalidCredentials) {
		t.Errorf("wrong secret: %v", err)
	}
	if err := connect("/v2", "test", "secret", sdk.WithStatuses(func(sdk.TradingStatus) {}, "FAKEPACA")); !errors.Is(err, sdk.ErrSubscriptionChangeInvalidForFeed) {
		t.Errorf("statuses of the test feed: %v", err)
	}
	if err := connect("/v2", "nothing", "secret"); err == nil {
		t.Error("a feed that does not exist was opened")
	}
}

// TestSDKWaitsForItsPlace checks that a second client gets in once the first has left, on the same connection.
func TestSDKWaitsForItsPlace(t *testing.T) {
	t.Parallel()
	e, base := streaming(t)
	open := func() (*sdk.StocksClient, context.CancelFunc, error) {
		ctx, cancel := context.WithCancel(context.Background())
		client := sdk.NewStocksClient(marketdata.IEX, sdk.WithBaseURL(base+"/v2"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(silence{}))
		return client, cancel, client.Connect(ctx)
	}
	first, leave, err := open()
	ok(t, err)
	done := make(chan error, 1)
	go func() {
		second, cancel, err := open()
		cancel()
		if err == nil {
			<-second.Terminated()
		}
		done <- err
	}()
	eventually(t, "the second client waits", func() bool { return e.Streams().Open()["stocks"] == 2 })
	leave()
	<-first.Terminated()
	ok(t, <-done)
}

func TestSDKReconnects(t *testing.T) {
	t.Parallel()
	e, base := streaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var s seen
	client := sdk.NewStocksClient(marketdata.IEX, sdk.WithBaseURL(base+"/v2"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(silence{}),
		sdk.WithReconnectSettings(5, 10*time.Millisecond), sdk.WithConnectCallback(func() { s.note("connected", true) }),
		sdk.WithDisconnectCallback(func() { s.note("disconnected", true) }), sdk.WithQuotes(func(sdk.Quote) { s.note("quote", true) }, "AAPL"))
	ok(t, client.Connect(ctx))
	s.want(t, "quote")
	if broken := e.Streams().Hub.Disconnect("", "PKSDK"); broken != 1 {
		t.Fatalf("%d connections were broken", broken)
	}
	eventually(t, "the client is back", func() bool { return s.count("connected") == 2 })
	before := s.count("quote")
	eventually(t, "data flows again", func() bool { return s.count("quote") > before })
	cancel()
	<-client.Terminated()
}

func TestStreamTradeUpdatesInBackground(t *testing.T) {
	t.Parallel()
	e, client := started(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	updates := make(chan alpaca.TradeUpdate, 16)
	client.StreamTradeUpdatesInBackground(ctx, func(update alpaca.TradeUpdate) { updates <- update })
	eventually(t, "the stream is open", func() bool { return e.Streams().Open()[openEvents] == 1 })
	placed := must[*alpaca.Order](t)(client.PlaceOrder(alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: amount("3"), Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.Day,
	}))
	for _, want := range []string{"pending_new", "new", "fill"} {
		if update := <-updates; update.Event != want || update.Order.ID != placed.ID {
			t.Fatalf("update = %+v, want %s", update, want)
		}
	}
	cancel()
	eventually(t, "the stream is closed", func() bool { return e.Streams().Open()[openEvents] == 0 })
}

const openEvents = "trade_events"

// TestStreamsAndRESTShowOneMarket compares bars and trades that were streamed with those that the REST API has.
func TestStreamsAndRESTShowOneMarket(t *testing.T) {
	t.Parallel()
	e, base := streaming(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	bars, trades := make(chan sdk.Bar, 1000), make(chan sdk.Trade, 10_000)
	client := sdk.NewStocksClient(marketdata.IEX, sdk.WithBaseURL(base+"/v2"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(silence{}),
		sdk.WithBars(func(b sdk.Bar) { bars <- b }, "MSFT"), sdk.WithTrades(func(tr sdk.Trade) { trades <- tr }, "MSFT"))
	ok(t, client.Connect(ctx))
	data := marketdata.NewClient(marketdata.ClientOpts{APIKey: "PKSDK", APISecret: "secret", BaseURL: e.URL()})
	for range 3 {
		b := <-bars
		stored := must[[]marketdata.Bar](t)(data.GetBars("MSFT", marketdata.GetBarsRequest{
			TimeFrame: marketdata.OneMin, Start: b.Timestamp, End: b.Timestamp.Add(time.Minute - 1), Feed: marketdata.IEX,
		}))
		if len(stored) != 1 || stored[0].Open != b.Open || stored[0].Close != b.Close || stored[0].High != b.High ||
			stored[0].Low != b.Low || stored[0].Volume != b.Volume || stored[0].VWAP != b.VWAP || stored[0].TradeCount != b.TradeCount {
			t.Errorf("streamed %+v, stored %+v", b, stored)
		}
	}
	first := <-trades
	for range 20 {
		streamed := <-trades
		stored := must[[]marketdata.Trade](t)(data.GetTrades("MSFT", marketdata.GetTradesRequest{
			Start: first.Timestamp, End: streamed.Timestamp, Feed: marketdata.IEX,
		}))
		if len(stored) < 2 || stored[len(stored)-1].ID != streamed.ID || stored[len(stored)-1].Price != streamed.Price ||
			stored[len(stored)-1].Size != streamed.Size || stored[len(stored)-2].ID != first.ID {
			t.Fatalf("streamed %+v after %+v, stored %+v", streamed, first, stored)
		}
		first = streamed
	}
	cancel()
	<-client.Terminated()
}
