package data_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// endpoints has a request for every endpoint that answers with JSON, by the name of its golden file. The shapes were checked
// against Alpaca's market data specification 1.1.
func endpoints() map[string]string {
	const stocks, history = "/v2/stocks", "start=2026-11-23T16:59:30Z&end=2026-11-23T16:59:40Z"
	const crypto, options = "/v1beta3/crypto/us", "/v1beta1/options"
	return map[string]string{
		"stock-quotes-latest":     stocks + "/quotes/latest?symbols=AAPL,IBM,NOSUCH",
		"stock-quote-latest":      stocks + "/AAPL/quotes/latest",
		"stock-quote-latest-iex":  stocks + "/AAPL/quotes/latest?feed=iex",
		"stock-trades-latest":     stocks + "/trades/latest?symbols=AAPL,BRK.B",
		"stock-trade-latest":      stocks + "/AAPL/trades/latest",
		"stock-bars-latest":       stocks + "/bars/latest?symbols=AAPL,SPY",
		"stock-bar-latest":        stocks + "/AAPL/bars/latest?currency=EUR",
		"stock-snapshots":         stocks + "/snapshots?symbols=AAPL,SPY",
		"stock-snapshot":          stocks + "/AAPL/snapshot",
		"stock-quotes":            stocks + "/quotes?symbols=MSFT,AAPL&limit=5&" + history,
		"stock-quotes-single":     stocks + "/AAPL/quotes?limit=3&sort=desc&" + history,
		"stock-trades":            stocks + "/trades?symbols=AAPL,MSFT&" + history,
		"stock-trades-single":     stocks + "/AAPL/trades?" + history,
		"stock-bars":              stocks + "/bars?symbols=AAPL,IBM&timeframe=1Day&start=2026-11-18&currency=USD",
		"stock-bars-single":       stocks + "/AAPL/bars?timeframe=5Min&start=2026-11-23T16:40:00Z",
		"stock-bars-nothing":      stocks + "/AAPL/bars?timeframe=1Day&start=2026-11-21&end=2026-11-22",
		"stock-auctions":          stocks + "/auctions?symbols=AAPL,IBM&start=2026-11-20",
		"stock-auctions-single":   stocks + "/AAPL/auctions?start=2026-11-20",
		"stock-exchanges":         stocks + "/meta/exchanges",
		"stock-trade-conditions":  stocks + "/meta/conditions/trade?tape=A",
		"stock-quote-conditions":  stocks + "/meta/conditions/quote?tape=C",
		"crypto-quotes-latest":    crypto + "/latest/quotes?symbols=BTC/USD,ETH/USD",
		"crypto-trades-latest":    crypto + "/latest/trades?symbols=BTC/USD",
		"crypto-bars-latest":      crypto + "/latest/bars?symbols=BTC/USD",
		"crypto-orderbooks":       crypto + "/latest/orderbooks?symbols=BTC/USD",
		"crypto-snapshots":        crypto + "/snapshots?symbols=BTC/USD",
		"crypto-quotes":           crypto + "/quotes?symbols=BTC/USD&" + history + "&limit=2",
		"crypto-trades":           crypto + "/trades?symbols=BTC/USD&start=2026-11-23T16:50:00Z&limit=3",
		"crypto-bars":             crypto + "/bars?symbols=BTC/USD,DOGE/USD&timeframe=4Hour&start=2026-11-22",
		"crypto-bars-unknown":     crypto + "/bars?symbols=NOSUCH/USD&timeframe=1Min",
		"perpetual-pricing":       "/v1beta1/crypto-perps/global/latest/pricing?symbols=BTC-PERP",
		"option-quotes-latest":    options + "/quotes/latest?symbols=" + call,
		"option-trades-latest":    options + "/trades/latest?symbols=" + call,
		"option-trades":           options + "/trades?symbols=" + call + "&start=2026-11-23&limit=2",
		"option-bars":             options + "/bars?symbols=" + call + "&timeframe=1Day&start=2026-11-18",
		"option-snapshots":        options + "/snapshots?symbols=" + call,
		"option-chain":            options + "/snapshots/AAPL?type=put&strike_price_gte=270&strike_price_lte=280&limit=3",
		"option-exchanges":        options + "/meta/exchanges",
		"option-trade-conditions": options + "/meta/conditions/trade",
		"news":                    "/v1beta1/news?symbols=AAPL,BTCUSD&limit=3&include_content=true",
		"corporate-actions":       "/v1/corporate-actions?start=2026-01-01&end=2026-11-23&types=" + everyType,
		"most-actives":            "/v1beta1/screener/stocks/most-actives?by=trades&top=3",
		"movers":                  "/v1beta1/screener/stocks/movers?top=2",
		"crypto-movers":           "/v1beta1/screener/crypto/movers?top=1",
		"forex-latest":            "/v1beta1/forex/latest/rates?currency_pairs=USDJPY,USDEUR",
		"forex":                   "/v1beta1/forex/rates?currency_pairs=USDJPY&timeframe=1Day&start=2026-11-20",
	}
}

// everyType has one made-up action of each kind in the year; dividends have a request of their own.
const everyType = "cash_merger,forward_split,name_change,partial_call,redemption,reorganization,reverse_split,rights_distribution," +
	"spin_off,stock_and_cash_merger,stock_dividend,stock_merger,unit_split,worthless_removal"

// TestGolden compares the answer of every endpoint with the committed one, byte for byte but for the white space.
func TestGolden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, url := range endpoints() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := w.get(t.Context(), "PLUS", url)
			if answer.Code != http.StatusOK {
				t.Fatalf("status %d: %s", answer.Code, answer.Body)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, answer.Body.Bytes(), "", " "); err != nil {
				t.Fatalf("%v: %s", err, answer.Body)
			}
			pretty.WriteByte('\n')
			path := filepath.Join("testdata", "golden", name+".json")
			if *update {
				if err := os.WriteFile(path, pretty.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pretty.Bytes(), want) {
				t.Errorf("%s\nis not %s:\n%s", url, path, &pretty)
			}
		})
	}
}
