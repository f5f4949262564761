package sdktest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata"
	sdk "github.com/alpacahq/alpaca-trade-api-go/v3/marketdata/stream"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
)

// asDefault returns a market data client that is the package's default one until the test ends. Such a test must not run in
// parallel.
func asDefault(t *testing.T) *marketdata.Client {
	t.Helper()
	client := marketData(t, access.AlgoTraderPlus)
	before := marketdata.DefaultClient
	marketdata.DefaultClient = client
	t.Cleanup(func() { marketdata.DefaultClient = before })
	return client
}

// same checks that a function of the package answers what the client's method does: the clock stands still.
func same[S, Q, A any](t *testing.T, name string, method, function func(S, Q) (A, error), subject S, request Q) {
	t.Helper()
	want := must[A](t)(method(subject, request))
	if got := must[A](t)(function(subject, request)); !reflect.DeepEqual(got, want) || empty(got) {
		t.Errorf("%s: %v, want %v", name, got, want)
	}
}

func empty(answer any) bool {
	value := reflect.ValueOf(answer)
	switch value.Kind() {
	case reflect.Map, reflect.Slice:
		return value.Len() == 0
	default:
		return value.IsNil()
	}
}

//nolint:paralleltest // the default client belongs to the whole process
func TestPackageFunctionsOfStocks(t *testing.T) {
	data := asDefault(t)
	same(t, "GetTrades", data.GetTrades, marketdata.GetTrades, "AAPL", marketdata.GetTradesRequest{Start: monday.Add(-time.Minute), End: monday})
	same(t, "GetMultiTrades", data.GetMultiTrades, marketdata.GetMultiTrades, []string{"AAPL", "MSFT"}, marketdata.GetTradesRequest{Start: monday.Add(-time.Minute), End: monday})
	same(t, "GetQuotes", data.GetQuotes, marketdata.GetQuotes, "AAPL", marketdata.GetQuotesRequest{Start: monday.Add(-time.Minute), End: monday})
	same(t, "GetMultiQuotes", data.GetMultiQuotes, marketdata.GetMultiQuotes, []string{"AAPL", "MSFT"}, marketdata.GetQuotesRequest{Start: monday.Add(-time.Minute), End: monday})
	same(t, "GetBars", data.GetBars, marketdata.GetBars, "AAPL", marketdata.GetBarsRequest{TimeFrame: marketdata.OneDay, Start: monday.AddDate(0, 0, -5), End: monday, Adjustment: marketdata.CombineAdjustments(marketdata.AdjustmentSplit, marketdata.AdjustmentDividend)})
	same(t, "GetMultiBars", data.GetMultiBars, marketdata.GetMultiBars, []string{"AAPL", "MSFT"}, marketdata.GetBarsRequest{TimeFrame: marketdata.NewTimeFrame(15, marketdata.Min), Start: monday.Add(-time.Hour), End: monday})
	same(t, "GetAuctions", data.GetAuctions, marketdata.GetAuctions, "AAPL", marketdata.GetAuctionsRequest{Start: monday.AddDate(0, 0, -5), End: monday})
	same(t, "GetMultiAuctions", data.GetMultiAuctions, marketdata.GetMultiAuctions, []string{"AAPL", "MSFT"}, marketdata.GetAuctionsRequest{Start: monday.AddDate(0, 0, -5), End: monday})
	same(t, "GetLatestBar", data.GetLatestBar, marketdata.GetLatestBar, "AAPL", marketdata.GetLatestBarRequest{})
	same(t, "GetLatestBars", data.GetLatestBars, marketdata.GetLatestBars, []string{"AAPL", "MSFT"}, marketdata.GetLatestBarRequest{})
	same(t, "GetLatestTrade", data.GetLatestTrade, marketdata.GetLatestTrade, "AAPL", marketdata.GetLatestTradeRequest{})
	same(t, "GetLatestTrades", data.GetLatestTrades, marketdata.GetLatestTrades, []string{"AAPL", "MSFT"}, marketdata.GetLatestTradeRequest{})
	same(t, "GetLatestQuote", data.GetLatestQuote, marketdata.GetLatestQuote, "AAPL", marketdata.GetLatestQuoteRequest{})
	same(t, "GetLatestQuotes", data.GetLatestQuotes, marketdata.GetLatestQuotes, []string{"AAPL", "MSFT"}, marketdata.GetLatestQuoteRequest{})
	same(t, "GetSnapshot", data.GetSnapshot, marketdata.GetSnapshot, "AAPL", marketdata.GetSnapshotRequest{})
	same(t, "GetSnapshots", data.GetSnapshots, marketdata.GetSnapshots, []string{"AAPL", "MSFT"}, marketdata.GetSnapshotRequest{})
}

//nolint:paralleltest // the default client belongs to the whole process
func TestPackageFunctionsOfCrypto(t *testing.T) {
	data := asDefault(t)
	same(t, "GetLatestCryptoBar", data.GetLatestCryptoBar, marketdata.GetLatestCryptoBar, "BTC/USD", marketdata.GetLatestCryptoBarRequest{})
	same(t, "GetLatestCryptoBars", data.GetLatestCryptoBars, marketdata.GetLatestCryptoBars, []string{"BTC/USD", "ETH/USD"}, marketdata.GetLatestCryptoBarRequest{})
	same(t, "GetLatestCryptoPerpBar", data.GetLatestCryptoPerpBar, marketdata.GetLatestCryptoPerpBar, "BTC-PERP", marketdata.GetLatestCryptoBarRequest{})
	same(t, "GetLatestCryptoPerpBars", data.GetLatestCryptoPerpBars, marketdata.GetLatestCryptoPerpBars, []string{"BTC-PERP", "ETH-PERP"}, marketdata.GetLatestCryptoBarRequest{})
	same(t, "GetLatestCryptoTrade", data.GetLatestCryptoTrade, marketdata.GetLatestCryptoTrade, "BTC/USD", marketdata.GetLatestCryptoTradeRequest{})
	same(t, "GetLatestCryptoTrades", data.GetLatestCryptoTrades, marketdata.GetLatestCryptoTrades, []string{"BTC/USD", "ETH/USD"}, marketdata.GetLatestCryptoTradeRequest{})
	same(t, "GetLatestCryptoPerpTrade", data.GetLatestCryptoPerpTrade, marketdata.GetLatestCryptoPerpTrade, "BTC-PERP", marketdata.GetLatestCryptoTradeRequest{})
	same(t, "GetLatestCryptoPerpTrades", data.GetLatestCryptoPerpTrades, marketdata.GetLatestCryptoPerpTrades, []string{"BTC-PERP", "ETH-PERP"}, marketdata.GetLatestCryptoTradeRequest{})
	same(t, "GetLatestCryptoQuote", data.GetLatestCryptoQuote, marketdata.GetLatestCryptoQuote, "BTC/USD", marketdata.GetLatestCryptoQuoteRequest{})
	same(t, "GetLatestCryptoQuotes", data.GetLatestCryptoQuotes, marketdata.GetLatestCryptoQuotes, []string{"BTC/USD", "ETH/USD"}, marketdata.GetLatestCryptoQuoteRequest{})
	same(t, "GetLatestCryptoPerpQuote", data.GetLatestCryptoPerpQuote, marketdata.GetLatestCryptoPerpQuote, "BTC-PERP", marketdata.GetLatestCryptoQuoteRequest{})
	same(t, "GetLatestCryptoPerpQuotes", data.GetLatestCryptoPerpQuotes, marketdata.GetLatestCryptoPerpQuotes, []string{"BTC-PERP", "ETH-PERP"}, marketdata.GetLatestCryptoQuoteRequest{})
	same(t, "GetLatestCryptoPerpPricing", data.GetLatestCryptoPerpPricing, marketdata.GetLatestCryptoPerpPricing, "BTC-PERP", marketdata.GetLatestCryptoPerpPricingRequest{})
	same(t, "GetCryptoTrades", data.GetCryptoTrades, marketdata.GetCryptoTrades, "BTC/USD", marketdata.GetCryptoTradesRequest{Start: monday.Add(-time.Hour), End: monday})
	same(t, "GetCryptoMultiTrades", data.GetCryptoMultiTrades, marketdata.GetCryptoMultiTrades, []string{"BTC/USD", "ETH/USD"}, marketdata.GetCryptoTradesRequest{Start: monday.Add(-time.Hour), End: monday})
	same(t, "GetCryptoQuotes", data.GetCryptoQuotes, marketdata.GetCryptoQuotes, "BTC/USD", marketdata.GetCryptoQuotesRequest{Start: monday.Add(-time.Minute), End: monday})
	same(t, "GetCryptoMultiQuotes", data.GetCryptoMultiQuotes, marketdata.GetCryptoMultiQuotes, []string{"BTC/USD", "ETH/USD"}, marketdata.GetCryptoQuotesRequest{Start: monday.Add(-time.Minute), End: monday})
	same(t, "GetCryptoBars", data.GetCryptoBars, marketdata.GetCryptoBars, "BTC/USD", marketdata.GetCryptoBarsRequest{Start: monday.AddDate(0, 0, -5), End: monday})
	same(t, "GetCryptoMultiBars", data.GetCryptoMultiBars, marketdata.GetCryptoMultiBars, []string{"BTC/USD", "ETH/USD"}, marketdata.GetCryptoBarsRequest{Start: monday.AddDate(0, 0, -5), End: monday})
	same(t, "GetCryptoSnapshot", data.GetCryptoSnapshot, marketdata.GetCryptoSnapshot, "BTC/USD", marketdata.GetCryptoSnapshotRequest{})
	same(t, "GetCryptoSnapshots", data.GetCryptoSnapshots, marketdata.GetCryptoSnapshots, []string{"BTC/USD", "ETH/USD"}, marketdata.GetCryptoSnapshotRequest{})
}

//nolint:paralleltest // the default client belongs to the whole process
func TestPackageFunctionsOfOptions(t *testing.T) {
	data := asDefault(t)
	same(t, "GetOptionTrades", data.GetOptionTrades, marketdata.GetOptionTrades, call, marketdata.GetOptionTradesRequest{Start: monday.Add(-2 * time.Hour), End: monday})
	same(t, "GetOptionMultiTrades", data.GetOptionMultiTrades, marketdata.GetOptionMultiTrades, []string{call, put}, marketdata.GetOptionTradesRequest{Start: monday.Add(-2 * time.Hour), End: monday})
	same(t, "GetOptionBars", data.GetOptionBars, marketdata.GetOptionBars, call, marketdata.GetOptionBarsRequest{Start: monday.AddDate(0, 0, -5), End: monday})
	same(t, "GetMultiOptionBars", data.GetMultiOptionBars, marketdata.GetMultiOptionBars, []string{call, put}, marketdata.GetOptionBarsRequest{Start: monday.AddDate(0, 0, -5), End: monday})
	same(t, "GetLatestOptionTrade", data.GetLatestOptionTrade, marketdata.GetLatestOptionTrade, call, marketdata.GetLatestOptionTradeRequest{})
	same(t, "GetLatestOptionTrades", data.GetLatestOptionTrades, marketdata.GetLatestOptionTrades, []string{call, put}, marketdata.GetLatestOptionTradeRequest{})
	same(t, "GetLatestOptionQuote", data.GetLatestOptionQuote, marketdata.GetLatestOptionQuote, call, marketdata.GetLatestOptionQuoteRequest{})
	same(t, "GetLatestOptionQuotes", data.GetLatestOptionQuotes, marketdata.GetLatestOptionQuotes, []string{call, put}, marketdata.GetLatestOptionQuoteRequest{})
	same(t, "GetOptionSnapshot", data.GetOptionSnapshot, marketdata.GetOptionSnapshot, call, marketdata.GetOptionSnapshotRequest{})
	same(t, "GetOptionSnapshots", data.GetOptionSnapshots, marketdata.GetOptionSnapshots, []string{call, put}, marketdata.GetOptionSnapshotRequest{})
	same(t, "GetOptionChain", data.GetOptionChain, marketdata.GetOptionChain, "AAPL", marketdata.GetOptionChainRequest{Type: marketdata.Put, StrikePriceGte: 260, StrikePriceLte: 280})
}

//nolint:paralleltest // the default client belongs to the whole process
func TestPackageFunctionsOfNewsAndCorporateActions(t *testing.T) {
	data := asDefault(t)
	articles := marketdata.GetNewsRequest{TotalLimit: 5}
	want := must[[]marketdata.News](t)(data.GetNews(articles))
	if got := must[[]marketdata.News](t)(marketdata.GetNews(articles)); len(got) != 5 || !reflect.DeepEqual(got, want) {
		t.Errorf("news: %v, want %v", got, want)
	}
	actions := marketdata.GetCorporateActionsRequest{Start: civil.Date{Year: 2026, Month: 1, Day: 1}, End: civil.Date{Year: 2026, Month: 2, Day: 1}}
	wanted := must[marketdata.CorporateActions](t)(data.GetCorporateActions(actions))
	if got := must[marketdata.CorporateActions](t)(marketdata.GetCorporateActions(actions)); len(got.CashDividends) == 0 || !reflect.DeepEqual(got, wanted) {
		t.Errorf("corporate actions: %v, want %v", got, wanted)
	}
}

// TestTimeFrames sends every timeframe that Alpaca has, as the SDK writes it.
func TestTimeFrames(t *testing.T) {
	t.Parallel()
	data := marketData(t, access.AlgoTraderPlus)
	frames := []marketdata.TimeFrame{marketdata.OneMin, marketdata.OneHour, marketdata.OneDay, marketdata.OneWeek, marketdata.OneMonth}
	for _, n := range []int{2, 59} {
		frames = append(frames, marketdata.NewTimeFrame(n, marketdata.Min))
	}
	frames = append(frames, marketdata.NewTimeFrame(23, marketdata.Hour))
	for _, n := range []int{2, 3, 4, 6, 12} {
		frames = append(frames, marketdata.NewTimeFrame(n, marketdata.Month))
	}
	for _, frame := range frames {
		bars := must[[]marketdata.Bar](t)(data.GetBars("AAPL", marketdata.GetBarsRequest{TimeFrame: frame, Start: monday.AddDate(-1, 0, 0), End: monday, TotalLimit: 3}))
		if len(bars) == 0 || len(bars) == 3 && !bars[1].Timestamp.After(bars[0].Timestamp) {
			t.Errorf("%s: %v", frame, bars)
		}
	}
	for _, frame := range []marketdata.TimeFrame{
		marketdata.NewTimeFrame(60, marketdata.Min), marketdata.NewTimeFrame(24, marketdata.Hour), marketdata.NewTimeFrame(2, marketdata.Day),
		marketdata.NewTimeFrame(2, marketdata.Week), marketdata.NewTimeFrame(5, marketdata.Month),
	} {
		_, err := data.GetBars("AAPL", marketdata.GetBarsRequest{TimeFrame: frame, Start: monday.AddDate(-1, 0, 0), End: monday})
		if err == nil || !strings.Contains(err.Error(), "invalid timeframe: "+frame.String()) {
			t.Errorf("%s: %v", frame, err)
		}
	}
}

// TestLoggers connects with the SDK's own loggers: one complains about a wrong path, neither breaks anything.
func TestLoggers(t *testing.T) {
	t.Parallel()
	_, base := streaming(t)
	for _, logger := range []sdk.Logger{sdk.DefaultLogger(), sdk.ErrorOnlyLogger()} {
		client := sdk.NewNewsClient(sdk.WithBaseURL(base+"/nowhere"), sdk.WithCredentials("PKSDK", "secret"), sdk.WithLogger(logger))
		if err := client.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
			t.Errorf("a stream at a path that does not exist: %v", err)
		}
	}
}
