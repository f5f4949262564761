package emulator_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata"
	shopspring "github.com/shopspring/decimal"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// sdk returns the official trading and data clients, with nothing changed but their base URL.
func sdk(t *testing.T, running *emulator.Emulator) (*alpaca.Client, *marketdata.Client) {
	t.Helper()
	transport := &http.Client{Transport: buffered{client(t).Transport}} // a timeout would wait for the close, too
	trading := alpaca.NewClient(alpaca.ClientOpts{
		APIKey: keyID, APISecret: secretKey, BaseURL: running.URL(), HTTPClient: transport,
	})
	data := marketdata.NewClient(marketdata.ClientOpts{
		APIKey: keyID, APISecret: secretKey, BaseURL: running.URL(), HTTPClient: transport,
	})
	return trading, data
}

// buffered reads every answer to its end, because the SDK's CancelAllOrders (v3.9.1) neither reads nor closes its own.
type buffered struct{ next http.RoundTripper }

func (b buffered) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(content))
	return response, err
}

func dec(text string) *shopspring.Decimal {
	value := shopspring.RequireFromString(text)
	return &value
}

func pin(t *testing.T, running *emulator.Emulator, symbol, price string) {
	t.Helper()
	if err := running.SetPrice(symbol, decimal.MustParse(price)); err != nil {
		t.Fatal(err)
	}
}

func limitBuy(price string) alpaca.PlaceOrderRequest {
	return alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: dec("10"), Side: alpaca.Buy, Type: alpaca.Limit, TimeInForce: alpaca.GTC, LimitPrice: dec(price),
	}
}

func TestSDKAccount(t *testing.T) {
	t.Parallel()
	trading, _ := sdk(t, start(t, nil))
	account := must[*alpaca.Account](t)(trading.GetAccount())
	expect(t, "status", account.Status, "ACTIVE")
	expect(t, "cash", account.Cash.String(), "100000")
	expect(t, "buying power", account.BuyingPower.String(), "400000")
	configuration := must[*alpaca.AccountConfigurations](t)(trading.GetAccountConfigurations())
	expect(t, "no shorting", configuration.NoShorting, false)
	configuration = must[*alpaca.AccountConfigurations](t)(trading.UpdateAccountConfigurations(
		alpaca.UpdateAccountConfigurationsRequest{NoShorting: true, TradeConfirmEmail: "none", FractionalTrading: true}))
	expect(t, "no shorting", configuration.NoShorting, true)
	expect(t, "e-mail", configuration.TradeConfirmEmail, alpaca.None)
}

func TestSDKOrders(t *testing.T) {
	t.Parallel()
	running := start(t, nil)
	pin(t, running, "AAPL", "100")
	trading, _ := sdk(t, running)
	request := limitBuy("95")
	request.ClientOrderID = "mine"
	placed := must[*alpaca.Order](t)(trading.PlaceOrder(request))
	expect(t, "status in the answer", placed.Status, "pending_new")
	order := must[*alpaca.Order](t)(trading.GetOrder(placed.ID))
	expect(t, "status", order.Status, "new")
	order = must[*alpaca.Order](t)(trading.GetOrderByClientOrderID("mine"))
	expect(t, "ID", order.ID, placed.ID)
	_, err := trading.PlaceOrder(request)
	expectAPIError(t, err, 422, 40010001, "client_order_id must be unique")

	replaced := must[*alpaca.Order](t)(trading.ReplaceOrder(placed.ID, alpaca.ReplaceOrderRequest{LimitPrice: dec("96")}))
	expect(t, "replaces", *replaced.Replaces, placed.ID)
	open := must[[]alpaca.Order](t)(trading.GetOrders(alpaca.GetOrdersRequest{Nested: true}))
	expect(t, "open orders", len(open), 1)
	expect(t, "open order", open[0].ID, replaced.ID)
	closed := must[[]alpaca.Order](t)(trading.GetOrders(alpaca.GetOrdersRequest{Status: "closed"}))
	expect(t, "closed orders", len(closed), 1)
	expect(t, "replaced by", *closed[0].ReplacedBy, replaced.ID)

	if err := trading.CancelOrder(replaced.ID); err != nil {
		t.Fatal(err)
	}
	expectAPIError(t, trading.CancelOrder(replaced.ID), 422, 42210000, `order is already in "canceled" state`)
	must[*alpaca.Order](t)(trading.PlaceOrder(limitBuy("94")))
	if err := trading.CancelAllOrders(); err != nil {
		t.Fatal(err)
	}
	open = must[[]alpaca.Order](t)(trading.GetOrders(alpaca.GetOrdersRequest{}))
	expect(t, "open orders", len(open), 0)
	expect(t, "audited orders", len(running.AcceptedOrders(keyID)), 3)
}

func TestSDKOrderList(t *testing.T) {
	t.Parallel()
	running := start(t, nil)
	pin(t, running, "AAPL", "100")
	trading, _ := sdk(t, running)
	placed := make([]*alpaca.Order, 0, 5)
	for range 5 {
		placed = append(placed, must[*alpaca.Order](t)(trading.PlaceOrder(limitBuy("90"))))
	}
	cases := []struct {
		name    string
		request alpaca.GetOrdersRequest
		want    []int
	}{
		{"newest first", alpaca.GetOrdersRequest{}, []int{4, 3, 2, 1, 0}},
		{"oldest first", alpaca.GetOrdersRequest{Direction: "asc"}, []int{0, 1, 2, 3, 4}},
		{"limit", alpaca.GetOrdersRequest{Limit: 2}, []int{4, 3}},
		{"symbols", alpaca.GetOrdersRequest{Symbols: []string{"MSFT", "F"}}, nil},
		{"side", alpaca.GetOrdersRequest{Side: "buy", Limit: 1}, []int{4}},
	}
	for _, c := range cases {
		orders := must[[]alpaca.Order](t)(trading.GetOrders(c.request))
		if len(orders) != len(c.want) {
			t.Errorf("%s: %d orders, want %d", c.name, len(orders), len(c.want))
			continue
		}
		for i, index := range c.want {
			expect(t, c.name, orders[i].ID, placed[index].ID)
		}
	}
}

func TestSDKPositions(t *testing.T) {
	t.Parallel()
	running := start(t, nil)
	pin(t, running, "AAPL", "100")
	pin(t, running, "MSFT", "400")
	trading, _ := sdk(t, running)
	for _, symbol := range []string{"AAPL", "MSFT"} {
		must[*alpaca.Order](t)(trading.PlaceOrder(alpaca.PlaceOrderRequest{
			Symbol: symbol, Qty: dec("8"), Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.Day,
		}))
	}
	positions := must[[]alpaca.Position](t)(trading.GetPositions())
	expect(t, "positions", len(positions), 2)
	position := must[*alpaca.Position](t)(trading.GetPosition("AAPL"))
	expect(t, "average entry", position.AvgEntryPrice.String(), "100.01")
	expect(t, "available", position.QtyAvailable.String(), "8")
	order := must[*alpaca.Order](t)(trading.ClosePosition("AAPL", alpaca.ClosePositionRequest{Qty: *dec("3")}))
	expect(t, "side", order.Side, alpaca.Sell)
	orders := must[[]alpaca.Order](t)(trading.CloseAllPositions(alpaca.CloseAllPositionsRequest{CancelOrders: true}))
	expect(t, "closing orders", len(orders), 2)
	_, err := trading.GetPosition("AAPL")
	expectAPIError(t, err, 404, 40410000, "position does not exist")
}

func TestSDKReferenceData(t *testing.T) {
	t.Parallel()
	trading, _ := sdk(t, start(t, nil))
	assets := must[[]alpaca.Asset](t)(trading.GetAssets(alpaca.GetAssetsRequest{Status: "active", Exchange: "NYSE"}))
	if len(assets) < 90 {
		t.Errorf("%d assets on NYSE", len(assets))
	}
	asset := must[*alpaca.Asset](t)(trading.GetAsset("BRK.B"))
	again := must[*alpaca.Asset](t)(trading.GetAsset(asset.ID))
	expect(t, "symbol", again.Symbol, "BRK.B")
	_, err := trading.GetAsset("NOSUCH")
	expectAPIError(t, err, 404, 40410000, "asset not found for NOSUCH")
	clock := must[*alpaca.Clock](t)(trading.GetClock())
	expect(t, "open", clock.IsOpen, true)
	if !clock.NextClose.After(clock.Timestamp) || !clock.NextOpen.After(clock.Timestamp) {
		t.Errorf("clock = %+v", clock)
	}
	days := must[[]alpaca.CalendarDay](t)(trading.GetCalendar(alpaca.GetCalendarRequest{
		Start: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC),
	}))
	expect(t, "days", len(days), 4)
	expect(t, "half day", days[3].Close, "13:00")
}

func TestSDKLatestData(t *testing.T) {
	t.Parallel()
	running := start(t, nil)
	pin(t, running, "AAPL", "100")
	_, data := sdk(t, running)
	quote := must[*marketdata.Quote](t)(data.GetLatestQuote("AAPL", marketdata.GetLatestQuoteRequest{}))
	expect(t, "bid", quote.BidPrice, 99.99)
	expect(t, "ask", quote.AskPrice, 100.01)
	trade := must[*marketdata.Trade](t)(data.GetLatestTrade("AAPL", marketdata.GetLatestTradeRequest{}))
	expect(t, "trade", trade.Price, 100)
	bar := must[*marketdata.Bar](t)(data.GetLatestBar("AAPL", marketdata.GetLatestBarRequest{Feed: marketdata.IEX}))
	expect(t, "close", bar.Close, 100)
	quotes := must[map[string]marketdata.Quote](t)(data.GetLatestQuotes([]string{"AAPL", "MSFT", "NOSUCH"}, marketdata.GetLatestQuoteRequest{}))
	expect(t, "quotes", len(quotes), 2)
	must[map[string]marketdata.Trade](t)(data.GetLatestTrades([]string{"AAPL", "MSFT"}, marketdata.GetLatestTradeRequest{}))
	must[map[string]marketdata.Bar](t)(data.GetLatestBars([]string{"AAPL", "MSFT"}, marketdata.GetLatestBarRequest{}))
	snapshot := must[*marketdata.Snapshot](t)(data.GetSnapshot("AAPL", marketdata.GetSnapshotRequest{}))
	expect(t, "daily close", snapshot.DailyBar.Close, 100)
	snapshots := must[map[string]*marketdata.Snapshot](t)(data.GetSnapshots([]string{"AAPL", "MSFT"}, marketdata.GetSnapshotRequest{}))
	expect(t, "snapshots", len(snapshots), 2)
}

// TestSDKTradeUpdates listens live, then reads the same events again from the history.
func TestSDKTradeUpdates(t *testing.T) {
	t.Parallel()
	running := start(t, nil)
	pin(t, running, "AAPL", "100")
	trading, _ := sdk(t, running)
	began := time.Now().Add(-time.Second)
	placed := must[*alpaca.Order](t)(trading.PlaceOrder(limitBuy("101")))

	seen := listen(t, trading, alpaca.StreamTradeUpdatesRequest{Since: began}, 3)
	for i, want := range []string{"pending_new", "new", "fill"} {
		expect(t, "event", seen[i].Event, want)
		expect(t, "order", seen[i].Order.ID, placed.ID)
	}
	expect(t, "price", seen[2].Price.String(), "100.01")
	expect(t, "position", seen[2].PositionQty.String(), "10")

	rest := listen(t, trading, alpaca.StreamTradeUpdatesRequest{SinceID: seen[0].EventID}, 2)
	expect(t, "after the ID", rest[0].EventID, seen[1].EventID)

	var bounded []alpaca.TradeUpdate
	err := trading.StreamTradeUpdates(context.Background(), func(update alpaca.TradeUpdate) { bounded = append(bounded, update) },
		alpaca.StreamTradeUpdatesRequest{Since: began, Until: seen[0].At})
	if err != nil {
		t.Fatalf("a stream with an end must end cleanly: %v", err)
	}
	for _, update := range bounded {
		if update.At.After(seen[0].At) {
			t.Errorf("event of %s is after until", update.At)
		}
	}
}

// listen reads a number of updates and hangs up.
func listen(t *testing.T, trading *alpaca.Client, request alpaca.StreamTradeUpdatesRequest, count int) []alpaca.TradeUpdate {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var seen []alpaca.TradeUpdate
	err := trading.StreamTradeUpdates(ctx, func(update alpaca.TradeUpdate) {
		if seen = append(seen, update); len(seen) == count {
			cancel()
		}
	}, request)
	if len(seen) < count {
		t.Fatalf("%d of %d updates: %v", len(seen), count, err)
	}
	return seen
}

func expectAPIError(t *testing.T, err error, status, code int, message string) {
	t.Helper()
	var failure *alpaca.APIError
	if !errors.As(err, &failure) {
		t.Fatalf("error = %v, want %q", err, message)
	}
	expect(t, "status", failure.StatusCode, status)
	expect(t, "code", failure.Code, code)
	expect(t, "message", failure.Message, message)
}
