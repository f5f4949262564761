package sdktest

import (
	"context"
	"errors"
	"math"
	"net/http"
	"reflect"
	"testing"
	"time"

	"cloud.google.com/go/civil"
	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/alpacahq/alpaca-trade-api-go/v3/marketdata"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/access"
)

// monday is a Monday noon in New York, at which the clock of these tests stands.
var monday = time.Date(2026, time.November, 23, 17, 0, 0, 0, time.UTC)

const (
	call = "AAPL261218C00270000"
	put  = "AAPL261218P00270000"
)

// marketData starts an emulator whose clock stands at monday and returns a client of a plan.
func marketData(t *testing.T, plan access.Plan) *marketdata.Client {
	t.Helper()
	e, err := emulator.New(emulator.Config{
		Accounts:    []emulator.Account{{KeyID: "PKSDK", SecretKey: "secret", DataPlan: plan}},
		MarketClock: "fixed", ClockStart: monday, Seed: 7, DataLimit: -1,
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := e.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return marketdata.NewClient(marketdata.ClientOpts{
		APIKey: "PKSDK", APISecret: "secret", BaseURL: e.URL(), HTTPClient: &http.Client{Transport: transport},
	})
}

// fresh fails unless a time lies in the span before monday.
func fresh(t *testing.T, what string, at time.Time, age time.Duration) {
	t.Helper()
	if at.After(monday) || monday.Sub(at) > age {
		t.Errorf("%s of %s", what, at)
	}
}

func checkBar(t *testing.T, what string, bar marketdata.Bar) {
	t.Helper()
	if !(bar.Low > 0 && bar.Low <= bar.Open && bar.Open <= bar.High && bar.Low <= bar.Close && bar.Close <= bar.High) {
		t.Errorf("%s: %+v", what, bar)
	}
	if bar.VWAP < bar.Low || bar.VWAP > bar.High || bar.Volume == 0 || bar.TradeCount == 0 {
		t.Errorf("%s: %+v", what, bar)
	}
}

func TestStockHistory(t *testing.T) {
	t.Parallel()
	data := marketData(t, access.AlgoTraderPlus)
	span := marketdata.GetTradesRequest{Start: monday.Add(-time.Minute), End: monday, PageLimit: 7}
	trades := must[[]marketdata.Trade](t)(data.GetTrades("AAPL", span))
	if len(trades) < 20 {
		t.Fatalf("%d trades", len(trades))
	}
	for i, trade := range trades {
		if i > 0 && !trade.Timestamp.After(trades[i-1].Timestamp) || trade.Price <= 0 || trade.Size == 0 || trade.Tape != "C" ||
			len(trade.Conditions) == 0 || trade.Exchange == "" || trade.ID == 0 {
			t.Errorf("trade %d: %+v", i, trade)
		}
	}
	span.Sort, span.TotalLimit = marketdata.SortDesc, 3
	newest := must[map[string][]marketdata.Trade](t)(data.GetMultiTrades([]string{"AAPL"}, span))
	if got := newest["AAPL"]; len(got) != 3 || !reflect.DeepEqual(got[0], trades[len(trades)-1]) {
		t.Errorf("newest first: %v", got)
	}
	quotes := must[[]marketdata.Quote](t)(data.GetQuotes("AAPL", marketdata.GetQuotesRequest{Start: monday.Add(-10 * time.Second), End: monday}))
	if len(quotes) != 40 {
		t.Errorf("%d quotes in ten seconds", len(quotes))
	}
	several := must[map[string][]marketdata.Quote](t)(data.GetMultiQuotes([]string{"MSFT", "AAPL"},
		marketdata.GetQuotesRequest{Start: monday.Add(-10 * time.Second), End: monday, PageLimit: 33}))
	if !reflect.DeepEqual(several["AAPL"], quotes) || len(several["MSFT"]) != 40 {
		t.Errorf("several: %d and %d", len(several["AAPL"]), len(several["MSFT"]))
	}
	for _, quote := range quotes {
		if quote.BidPrice >= quote.AskPrice || quote.BidSize == 0 || len(quote.Conditions) != 1 || quote.Tape != "C" {
			t.Errorf("quote %+v", quote)
		}
	}
}

func TestStockBars(t *testing.T) {
	t.Parallel()
	data := marketData(t, access.AlgoTraderPlus)
	bars := must[[]marketdata.Bar](t)(data.GetBars("AAPL", marketdata.GetBarsRequest{
		TimeFrame: marketdata.OneDay, Start: monday.AddDate(0, 0, -14), End: monday,
	}))
	if len(bars) != 10 {
		t.Fatalf("%d daily bars in two weeks", len(bars))
	}
	for _, bar := range bars {
		checkBar(t, "daily", bar)
		if bar.Timestamp.UTC().Hour() != 5 {
			t.Errorf("daily bar of %s", bar.Timestamp)
		}
	}
	minutes := must[map[string][]marketdata.Bar](t)(data.GetMultiBars([]string{"AAPL", "SPY"}, marketdata.GetBarsRequest{
		TimeFrame: marketdata.NewTimeFrame(5, marketdata.Min), Start: monday.Add(-time.Hour), End: monday.Add(-time.Second), PageLimit: 5,
	}))
	if len(minutes["AAPL"]) != 12 || len(minutes["SPY"]) != 12 {
		t.Errorf("%d and %d bars of five minutes in an hour", len(minutes["AAPL"]), len(minutes["SPY"]))
	}
	adjusted := must[[]marketdata.Bar](t)(data.GetBars("AEP", marketdata.GetBarsRequest{
		TimeFrame: marketdata.OneMonth, Start: monday.AddDate(-2, 0, 0), End: monday, Adjustment: marketdata.AdjustmentAll,
	}))
	raw := must[[]marketdata.Bar](t)(data.GetBars("AEP", marketdata.GetBarsRequest{
		TimeFrame: marketdata.OneMonth, Start: monday.AddDate(-2, 0, 0), End: monday,
	}))
	if len(raw) != 24 || len(adjusted) != 24 || adjusted[0].Close >= raw[0].Close || adjusted[23].Close != raw[23].Close {
		t.Errorf("adjusted for dividends: %v, raw %v", adjusted, raw)
	}
	euros := must[[]marketdata.Bar](t)(data.GetBars("AAPL", marketdata.GetBarsRequest{
		TimeFrame: marketdata.OneDay, Start: monday.AddDate(0, 0, -14), End: monday, Currency: "EUR",
	}))
	if ratio := euros[0].Close / bars[0].Close; ratio < 0.7 || ratio > 1.1 {
		t.Errorf("a dollar is %f euros", ratio)
	}
	auctions := must[[]marketdata.DailyAuctions](t)(data.GetAuctions("AAPL", marketdata.GetAuctionsRequest{Start: monday.AddDate(0, 0, -14), End: monday}))
	if len(auctions) != 10 || len(auctions[0].Opening) != 2 || auctions[0].Opening[0].Price != bars[0].Open || auctions[0].Closing[1].Price != bars[0].Close {
		t.Errorf("auctions: %v", auctions)
	}
	if last := auctions[9]; len(last.Opening) != 2 || len(last.Closing) != 0 {
		t.Errorf("auctions of a day that is not over: %v", last)
	}
	both := must[map[string][]marketdata.DailyAuctions](t)(data.GetMultiAuctions([]string{"AAPL", "IBM"}, marketdata.GetAuctionsRequest{Start: monday.AddDate(0, 0, -4), End: monday, PageLimit: 1}))
	if len(both["AAPL"]) != 2 || len(both["IBM"]) != 2 || both["IBM"][0].Opening[0].Exchange != "N" {
		t.Errorf("auctions of two: %v", both)
	}
}

func TestLatestStocks(t *testing.T) {
	t.Parallel()
	data := marketData(t, access.AlgoTraderPlus)
	symbols := []string{"AAPL", "MSFT", "NOSUCH"}
	bar := must[*marketdata.Bar](t)(data.GetLatestBar("AAPL", marketdata.GetLatestBarRequest{}))
	checkBar(t, "latest", *bar)
	if !bar.Timestamp.Equal(monday.Add(-time.Minute)) {
		t.Errorf("latest bar of %s", bar.Timestamp)
	}
	trade := must[*marketdata.Trade](t)(data.GetLatestTrade("AAPL", marketdata.GetLatestTradeRequest{Feed: marketdata.IEX}))
	fresh(t, "trade", trade.Timestamp, time.Minute)
	if trade.Exchange != "V" {
		t.Errorf("trade on IEX has exchange %s", trade.Exchange)
	}
	quote := must[*marketdata.Quote](t)(data.GetLatestQuote("AAPL", marketdata.GetLatestQuoteRequest{}))
	fresh(t, "quote", quote.Timestamp, time.Second)
	late := must[*marketdata.Quote](t)(data.GetLatestQuote("AAPL", marketdata.GetLatestQuoteRequest{Feed: marketdata.DelayedSIP}))
	if age := monday.Sub(late.Timestamp); age < 15*time.Minute || age > 16*time.Minute {
		t.Errorf("delayed quote of %s", late.Timestamp)
	}
	bars := must[map[string]marketdata.Bar](t)(data.GetLatestBars(symbols, marketdata.GetLatestBarRequest{}))
	trades := must[map[string]marketdata.Trade](t)(data.GetLatestTrades(symbols, marketdata.GetLatestTradeRequest{}))
	quotes := must[map[string]marketdata.Quote](t)(data.GetLatestQuotes(symbols, marketdata.GetLatestQuoteRequest{}))
	if len(bars) != 2 || len(trades) != 2 || len(quotes) != 2 || bars["AAPL"] != *bar || !reflect.DeepEqual(quotes["AAPL"], *quote) {
		t.Errorf("several: %v, %v, %v", bars, trades, quotes)
	}
	snapshot := must[*marketdata.Snapshot](t)(data.GetSnapshot("AAPL", marketdata.GetSnapshotRequest{}))
	if !reflect.DeepEqual(*snapshot.LatestQuote, *quote) || *snapshot.MinuteBar != *bar {
		t.Errorf("snapshot %+v", snapshot)
	}
	checkBar(t, "today", *snapshot.DailyBar)
	checkBar(t, "yesterday", *snapshot.PrevDailyBar)
	if day := snapshot.PrevDailyBar.Timestamp; day.Weekday() != time.Friday {
		t.Errorf("the day before was %s", day)
	}
	snapshots := must[map[string]*marketdata.Snapshot](t)(data.GetSnapshots(symbols, marketdata.GetSnapshotRequest{}))
	if len(snapshots) != 2 || !reflect.DeepEqual(snapshots["AAPL"], snapshot) {
		t.Errorf("snapshots %v", snapshots)
	}
}

func TestCryptoData(t *testing.T) {
	t.Parallel()
	data := marketData(t, access.Basic)
	symbols := []string{"BTC/USD", "ETH/USD"}
	trades := must[[]marketdata.CryptoTrade](t)(data.GetCryptoTrades("BTC/USD", marketdata.GetCryptoTradesRequest{Start: monday.Add(-time.Hour), End: monday, PageLimit: 9}))
	if len(trades) < 20 || trades[0].TakerSide != "B" && trades[0].TakerSide != "S" || trades[0].Size <= 0 {
		t.Fatalf("trades: %v", trades)
	}
	multi := must[map[string][]marketdata.CryptoTrade](t)(data.GetCryptoMultiTrades(symbols, marketdata.GetCryptoTradesRequest{Start: monday.Add(-time.Hour), End: monday}))
	if !reflect.DeepEqual(multi["BTC/USD"], trades) || len(multi["ETH/USD"]) == 0 {
		t.Errorf("of two: %v", multi)
	}
	quotes := must[[]marketdata.CryptoQuote](t)(data.GetCryptoQuotes("BTC/USD", marketdata.GetCryptoQuotesRequest{Start: monday.Add(-time.Second), End: monday}))
	both := must[map[string][]marketdata.CryptoQuote](t)(data.GetCryptoMultiQuotes(symbols, marketdata.GetCryptoQuotesRequest{Start: monday.Add(-time.Second), End: monday}))
	if len(quotes) != 4 || !reflect.DeepEqual(both["BTC/USD"], quotes) || quotes[0].BidPrice >= quotes[0].AskPrice {
		t.Errorf("quotes: %v", quotes)
	}
	bars := must[[]marketdata.CryptoBar](t)(data.GetCryptoBars("BTC/USD", marketdata.GetCryptoBarsRequest{
		TimeFrame: marketdata.NewTimeFrame(4, marketdata.Hour), Start: monday.AddDate(0, 0, -2), End: monday,
	}))
	if len(bars) != 12 || bars[0].Timestamp.Hour()%4 != 0 || bars[0].Volume <= 0 {
		t.Errorf("bars: %v", bars)
	}
	daily := must[map[string][]marketdata.CryptoBar](t)(data.GetCryptoMultiBars(symbols, marketdata.GetCryptoBarsRequest{Start: monday.AddDate(0, 0, -3), End: monday}))
	if len(daily["ETH/USD"]) != 3 || daily["ETH/USD"][0].Timestamp.Hour() != 0 {
		t.Errorf("daily: %v", daily)
	}
	checkLatestCrypto(t, data, symbols)
}

func checkLatestCrypto(t *testing.T, data *marketdata.Client, symbols []string) {
	t.Helper()
	bar := must[*marketdata.CryptoBar](t)(data.GetLatestCryptoBar("BTC/USD", marketdata.GetLatestCryptoBarRequest{}))
	fresh(t, "bar", bar.Timestamp, 2*time.Minute)
	trade := must[*marketdata.CryptoTrade](t)(data.GetLatestCryptoTrade("BTC/USD", marketdata.GetLatestCryptoTradeRequest{}))
	fresh(t, "trade", trade.Timestamp, 10*time.Minute)
	quote := must[*marketdata.CryptoQuote](t)(data.GetLatestCryptoQuote("BTC/USD", marketdata.GetLatestCryptoQuoteRequest{CryptoFeed: "eu-1"}))
	fresh(t, "quote", quote.Timestamp, time.Second)
	bars := must[map[string]marketdata.CryptoBar](t)(data.GetLatestCryptoBars(symbols, marketdata.GetLatestCryptoBarRequest{}))
	trades := must[map[string]marketdata.CryptoTrade](t)(data.GetLatestCryptoTrades(symbols, marketdata.GetLatestCryptoTradeRequest{}))
	quotes := must[map[string]marketdata.CryptoQuote](t)(data.GetLatestCryptoQuotes(symbols, marketdata.GetLatestCryptoQuoteRequest{}))
	if bars["BTC/USD"] != *bar || trades["BTC/USD"] != *trade || quotes["BTC/USD"] != *quote || len(quotes) != 2 {
		t.Errorf("latest: %v, %v, %v", bars, trades, quotes)
	}
	snapshot := must[*marketdata.CryptoSnapshot](t)(data.GetCryptoSnapshot("BTC/USD", marketdata.GetCryptoSnapshotRequest{}))
	snapshots := must[map[string]marketdata.CryptoSnapshot](t)(data.GetCryptoSnapshots(symbols, marketdata.GetCryptoSnapshotRequest{}))
	if *snapshot.LatestQuote != *quote || snapshot.PrevDailyBar == nil || !reflect.DeepEqual(snapshots["BTC/USD"], *snapshot) {
		t.Errorf("snapshot: %+v", snapshot)
	}
}

func TestPerpetualFuturesData(t *testing.T) {
	t.Parallel()
	data := marketData(t, "")
	symbols := []string{"BTC-PERP", "ETH-PERP"}
	bar := must[*marketdata.CryptoPerpBar](t)(data.GetLatestCryptoPerpBar("BTC-PERP", marketdata.GetLatestCryptoBarRequest{}))
	bars := must[map[string]marketdata.CryptoPerpBar](t)(data.GetLatestCryptoPerpBars(symbols, marketdata.GetLatestCryptoBarRequest{}))
	trade := must[*marketdata.CryptoPerpTrade](t)(data.GetLatestCryptoPerpTrade("BTC-PERP", marketdata.GetLatestCryptoTradeRequest{}))
	trades := must[map[string]marketdata.CryptoPerpTrade](t)(data.GetLatestCryptoPerpTrades(symbols, marketdata.GetLatestCryptoTradeRequest{}))
	quote := must[*marketdata.CryptoPerpQuote](t)(data.GetLatestCryptoPerpQuote("BTC-PERP", marketdata.GetLatestCryptoQuoteRequest{}))
	quotes := must[map[string]marketdata.CryptoPerpQuote](t)(data.GetLatestCryptoPerpQuotes(symbols, marketdata.GetLatestCryptoQuoteRequest{}))
	if bars["BTC-PERP"] != *bar || trades["BTC-PERP"] != *trade || quotes["BTC-PERP"] != *quote || len(quotes) != 2 {
		t.Errorf("latest: %v, %v, %v", bars, trades, quotes)
	}
	pricing := must[*marketdata.CryptoPerpPricing](t)(data.GetLatestCryptoPerpPricing("BTC-PERP", marketdata.GetLatestCryptoPerpPricingRequest{}))
	if math.Abs(pricing.MarkPrice/pricing.IndexPrice-1) > 0.01 || pricing.OpenInterest <= 0 || !pricing.NextFundingTime.After(monday) {
		t.Errorf("pricing: %+v", pricing)
	}
	// Called directly, this method of SDK v3.9.1 asks for an address of spot pairs that does not exist.
	_, err := data.GetLatestCryptoPerpPricingData(symbols, marketdata.GetLatestCryptoPerpPricingRequest{})
	var failure *alpaca.APIError
	if !errors.As(err, &failure) || failure.StatusCode != http.StatusNotFound {
		t.Errorf("pricing of spot pairs: %v", err)
	}
}

func TestOptionData(t *testing.T) {
	t.Parallel()
	data := marketData(t, access.AlgoTraderPlus)
	trades := must[[]marketdata.OptionTrade](t)(data.GetOptionTrades(call, marketdata.GetOptionTradesRequest{Start: monday.Add(-2 * time.Hour), End: monday, PageLimit: 4}))
	multi := must[map[string][]marketdata.OptionTrade](t)(data.GetOptionMultiTrades([]string{call, put}, marketdata.GetOptionTradesRequest{Start: monday.Add(-2 * time.Hour), End: monday}))
	if len(trades) < 5 || !reflect.DeepEqual(multi[call], trades) || len(multi[put]) == 0 || trades[0].Condition == "" {
		t.Fatalf("trades: %v", multi)
	}
	bars := must[[]marketdata.OptionBar](t)(data.GetOptionBars(call, marketdata.GetOptionBarsRequest{Start: monday.AddDate(0, 0, -14), End: monday}))
	two := must[map[string][]marketdata.OptionBar](t)(data.GetMultiOptionBars([]string{call, put}, marketdata.GetOptionBarsRequest{Start: monday.AddDate(0, 0, -14), End: monday}))
	if len(bars) != 10 || !reflect.DeepEqual(two[call], bars) || bars[0].Low > bars[0].High {
		t.Errorf("bars: %v", two)
	}
	trade := must[*marketdata.OptionTrade](t)(data.GetLatestOptionTrade(call, marketdata.GetLatestOptionTradeRequest{}))
	if *trade != trades[len(trades)-1] {
		t.Errorf("latest trade %v, want %v", trade, trades[len(trades)-1])
	}
	latest := must[map[string]marketdata.OptionTrade](t)(data.GetLatestOptionTrades([]string{call, put}, marketdata.GetLatestOptionTradeRequest{}))
	quote := must[*marketdata.OptionQuote](t)(data.GetLatestOptionQuote(call, marketdata.GetLatestOptionQuoteRequest{Feed: marketdata.OPRA}))
	quotes := must[map[string]marketdata.OptionQuote](t)(data.GetLatestOptionQuotes([]string{call, put}, marketdata.GetLatestOptionQuoteRequest{}))
	if latest[call] != *trade || quotes[call] != *quote || quote.BidPrice >= quote.AskPrice || quote.Condition == "" {
		t.Errorf("latest %v, %v", latest, quotes)
	}
	fresh(t, "quote", quote.Timestamp, time.Second)
}

func TestOptionSnapshots(t *testing.T) {
	t.Parallel()
	data := marketData(t, access.AlgoTraderPlus)
	snapshot := must[*marketdata.OptionSnapshot](t)(data.GetOptionSnapshot(call, marketdata.GetOptionSnapshotRequest{}))
	if snapshot.Greeks == nil || snapshot.Greeks.Delta <= 0 || snapshot.ImpliedVolatility <= 0.05 || snapshot.LatestQuote == nil {
		t.Fatalf("snapshot: %+v", snapshot)
	}
	two := must[map[string]marketdata.OptionSnapshot](t)(data.GetOptionSnapshots([]string{call, put}, marketdata.GetOptionSnapshotRequest{PageLimit: 1}))
	if len(two) != 2 || two[put].Greeks.Delta >= 0 || !reflect.DeepEqual(two[call], *snapshot) {
		t.Errorf("snapshots: %+v", two)
	}
	chain := must[map[string]marketdata.OptionSnapshot](t)(data.GetOptionChain("AAPL", marketdata.GetOptionChainRequest{
		Type: marketdata.Call, StrikePriceGte: 250, StrikePriceLte: 290, ExpirationDateGte: civil.Date{Year: 2026, Month: 12, Day: 1},
		ExpirationDateLte: civil.Date{Year: 2026, Month: 12, Day: 31}, RootSymbol: "AAPL", PageLimit: 5,
	}))
	if len(chain) != 27 || !reflect.DeepEqual(chain[call], *snapshot) { // nine strikes, three expirations
		t.Errorf("chain of %d", len(chain))
	}
	for symbol := range chain {
		if symbol[10] != 'C' || symbol[4:8] != "2612" {
			t.Errorf("%s is not what was asked for", symbol)
		}
	}
	day := must[map[string]marketdata.OptionSnapshot](t)(data.GetOptionChain("AAPL", marketdata.GetOptionChainRequest{
		ExpirationDate: civil.Date{Year: 2026, Month: 12, Day: 18}, TotalLimit: 1000, PageLimit: 1000,
	}))
	if len(day) < 50 {
		t.Errorf("%d contracts of one expiration", len(day))
	}
}

func TestNewsAndCorporateActions(t *testing.T) {
	t.Parallel()
	data := marketData(t, access.AlgoTraderPlus)
	news := must[[]marketdata.News](t)(data.GetNews(marketdata.GetNewsRequest{TotalLimit: 7, PageLimit: 3, IncludeContent: true}))
	if len(news) != 7 || news[0].Content == "" || !news[0].CreatedAt.After(news[6].CreatedAt) {
		t.Errorf("news: %+v", news)
	}
	about := must[[]marketdata.News](t)(data.GetNews(marketdata.GetNewsRequest{
		Symbols: []string{"AAPL"}, Start: monday.AddDate(0, 0, -1), End: monday, NoTotalLimit: true, PageLimit: 4, Sort: marketdata.SortAsc,
	}))
	if len(about) < 10 || about[0].Content != "" || !about[0].CreatedAt.Before(about[1].CreatedAt) {
		t.Errorf("news about AAPL: %v", about)
	}
	actions := must[marketdata.CorporateActions](t)(data.GetCorporateActions(marketdata.GetCorporateActionsRequest{
		Start: civil.Date{Year: 2026, Month: 1, Day: 1}, End: civil.Date{Year: 2026, Month: 11, Day: 20}, PageLimit: 50,
	}))
	counts := []int{
		len(actions.CashDividends), len(actions.CashMergers), len(actions.ForwardSplits), len(actions.NameChanges),
		len(actions.Redemptions), len(actions.ReverseSplits), len(actions.RightsDistributions), len(actions.SpinOffs),
		len(actions.StockAndCashMergers), len(actions.StockDividends), len(actions.StockMergers), len(actions.UnitSplits),
		len(actions.WorthlessRemovals),
	}
	for i, count := range counts {
		if count == 0 {
			t.Errorf("no actions in group %d of %v", i, counts)
		}
	}
	dividends := must[marketdata.CorporateActions](t)(data.GetCorporateActions(marketdata.GetCorporateActionsRequest{
		Symbols: []string{"AEP"}, Types: []string{"cash_dividend"}, Start: civil.Date{Year: 2026, Month: 1, Day: 1},
		End: civil.Date{Year: 2026, Month: 11, Day: 20}, Sort: marketdata.SortDesc,
	}))
	if got := dividends.CashDividends; len(got) < 3 || got[0].Rate <= 0 || got[0].ProcessDate.Before(got[1].ProcessDate) || got[0].RecordDate == nil {
		t.Errorf("dividends: %+v", got)
	}
}

// TestBasicPlan: what the free plan does not include is refused, what it includes is not.
func TestBasicPlan(t *testing.T) {
	t.Parallel()
	data := marketData(t, access.Basic)
	quote := must[*marketdata.Quote](t)(data.GetLatestQuote("AAPL", marketdata.GetLatestQuoteRequest{}))
	if quote.BidExchange != "V" {
		t.Errorf("quote of %s, want IEX", quote.BidExchange)
	}
	refused := func(name string, err error, message string) {
		t.Helper()
		var failure *alpaca.APIError
		if !errors.As(err, &failure) || failure.StatusCode != http.StatusForbidden || failure.Message != message {
			t.Errorf("%s: %v", name, err)
		}
	}
	const recent = "subscription does not permit querying recent SIP data"
	_, err := data.GetLatestQuote("AAPL", marketdata.GetLatestQuoteRequest{Feed: marketdata.SIP})
	refused("latest", err, recent)
	_, err = data.GetTrades("AAPL", marketdata.GetTradesRequest{Start: monday.Add(-time.Hour), End: monday})
	refused("history", err, recent)
	_, err = data.GetLatestOptionQuote(call, marketdata.GetLatestOptionQuoteRequest{Feed: marketdata.OPRA})
	refused("options", err, "OPRA agreement is not signed")
	trades := must[[]marketdata.Trade](t)(data.GetTrades("AAPL", marketdata.GetTradesRequest{Start: monday.Add(-16 * time.Minute), PageLimit: 10_000}))
	if len(trades) == 0 || monday.Sub(trades[len(trades)-1].Timestamp) < 15*time.Minute {
		t.Errorf("%d trades, the last of %s", len(trades), trades[len(trades)-1].Timestamp)
	}
	must[[]marketdata.Trade](t)(data.GetTrades("AAPL", marketdata.GetTradesRequest{Start: monday.Add(-time.Minute), End: monday, Feed: marketdata.IEX}))
	must[*marketdata.OptionQuote](t)(data.GetLatestOptionQuote(call, marketdata.GetLatestOptionQuoteRequest{}))
}
