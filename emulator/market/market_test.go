package market_test

import (
	"math"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

type nonStop struct{}

func (nonStop) MarketTime(t time.Time) time.Time { return t }

func find(tb testing.TB, symbol string) *asset.Asset {
	tb.Helper()
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		tb.Fatal(err)
	}
	found, ok := catalogue.Find(symbol)
	if !ok {
		tb.Fatalf("no %s", symbol)
	}
	return found
}

var noon = time.Date(2026, time.November, 23, 17, 0, 0, 0, time.UTC)

func TestSeedDecidesTheMarket(t *testing.T) {
	t.Parallel()
	aapl := find(t, "AAPL")
	if a, b := market.New(1, nonStop{}).Quote(aapl, noon), market.New(1, nonStop{}).Quote(aapl, noon); a != b {
		t.Errorf("one seed, two quotes: %v and %v", a, b)
	}
	if a, b := market.New(1, nonStop{}).Price(aapl, noon), market.New(2, nonStop{}).Price(aapl, noon); a.Equal(b) {
		t.Errorf("two seeds, one price: %s", a)
	}
}

// TestPricesAreSane walks every listed stock through two days.
func TestPricesAreSane(t *testing.T) {
	t.Parallel()
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	if len(catalogue.All()) < 200 {
		t.Fatalf("only %d stocks", len(catalogue.All()))
	}
	m := market.New(11, nonStop{})
	for _, stock := range catalogue.All() {
		for minute := 0; minute < 2*24*60; minute += 97 {
			at := noon.Add(time.Duration(minute) * time.Minute)
			quote, trade := m.Quote(stock, at), m.Trade(stock, at)
			if !quote.BidPrice.IsPos() || !quote.BidPrice.LessThan(quote.AskPrice) {
				t.Fatalf("%s: bid %s, ask %s", stock.Symbol, quote.BidPrice, quote.AskPrice)
			}
			if trade.Price.LessThan(quote.BidPrice) || trade.Price.GreaterThan(quote.AskPrice) {
				t.Fatalf("%s: trade at %s outside %s to %s", stock.Symbol, trade.Price, quote.BidPrice, quote.AskPrice)
			}
			ratio := trade.Price.InexactFloat64() / stock.Price.InexactFloat64()
			if ratio < 0.25 || ratio > 4 {
				t.Fatalf("%s: price %s is far from %s", stock.Symbol, trade.Price, stock.Price)
			}
		}
	}
}

// TestVolatility measures the daily moves of two years: they must match the listed volatility roughly.
func TestVolatility(t *testing.T) {
	t.Parallel()
	stock := find(t, "MSFT")
	m := market.New(5, nonStop{})
	const days = 700
	sum := 0.0
	for day := range days {
		before := m.Price(stock, noon.AddDate(0, 0, day)).InexactFloat64()
		after := m.Price(stock, noon.AddDate(0, 0, day+1)).InexactFloat64()
		move := math.Log(after / before)
		sum += move * move
	}
	yearly := math.Sqrt(sum / days * 365)
	if yearly < stock.Volatility/2 || yearly > stock.Volatility*2 {
		t.Errorf("volatility of a year = %.3f, listed %.3f", yearly, stock.Volatility)
	}
}

func TestPinnedPrice(t *testing.T) {
	t.Parallel()
	stock := find(t, "AAPL")
	m := market.New(5, nonStop{})
	m.Pin("AAPL", decimal.MustParse("0.5"))
	quote := m.Quote(stock, noon)
	if quote.BidPrice.String() != "0.4999" || quote.AskPrice.String() != "0.5001" {
		t.Errorf("quote = %s to %s", quote.BidPrice, quote.AskPrice)
	}
	m.Unpin("AAPL")
	if m.Price(stock, noon).LessThan(decimal.FromInt(10)) {
		t.Error("still pinned")
	}
}

func TestBarHoldsItsPrices(t *testing.T) {
	t.Parallel()
	bar := market.New(5, nonStop{}).Bar(find(t, "TSLA"), noon, noon.Add(time.Minute))
	for _, price := range []decimal.Decimal{bar.Open, bar.Close, bar.VWAP} {
		if price.LessThan(bar.Low) || price.GreaterThan(bar.High) {
			t.Errorf("%s outside %s to %s", price, bar.Low, bar.High)
		}
	}
	if bar.Volume <= 0 || bar.Trades <= 0 {
		t.Errorf("volume %d, trades %d", bar.Volume, bar.Trades)
	}
}

func BenchmarkQuote(b *testing.B) {
	stock, m := find(b, "AAPL"), market.New(5, nonStop{})
	b.ReportAllocs()
	for b.Loop() {
		m.Quote(stock, noon)
	}
}
