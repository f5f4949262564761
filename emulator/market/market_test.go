package market_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func find(t testing.TB, symbol string) *asset.Asset {
	t.Helper()
	found, ok := catalogue(t).Find(symbol)
	if !ok {
		t.Fatalf("no %s", symbol)
	}
	return found
}

func catalogue(t testing.TB) *asset.Catalogue {
	t.Helper()
	built, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// open is a market by the exchange's hours; nonStop one that never closes.
func open(t testing.TB, seed uint64) *market.Market    { return build(t, seed, session.Real) }
func nonStop(t testing.TB, seed uint64) *market.Market { return build(t, seed, session.AlwaysOpen) }

func build(t testing.TB, seed uint64, mode session.Mode) *market.Market {
	t.Helper()
	hours, err := session.NewClock(session.Settings{Mode: mode}, clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	return market.New(seed, hours)
}

// noon is a Monday noon in New York.
var noon = time.Date(2026, time.November, 23, 17, 0, 0, 0, time.UTC)

func TestSeedDecidesTheMarket(t *testing.T) {
	t.Parallel()
	for _, symbol := range []string{"AAPL", "BTC/USD", "AAPL261218C00270000"} {
		a := find(t, symbol)
		if one, two := nonStop(t, 1).Quote(a, noon), nonStop(t, 1).Quote(a, noon); one != two {
			t.Errorf("%s: one seed, two quotes: %v and %v", symbol, one, two)
		}
		if one, two := nonStop(t, 1).Trade(a, noon), nonStop(t, 1).Trade(a, noon); one != two {
			t.Errorf("%s: one seed, two trades: %v and %v", symbol, one, two)
		}
		if one, two := nonStop(t, 1).Price(a, noon), nonStop(t, 2).Price(a, noon); one.Equal(two) {
			t.Errorf("%s: two seeds, one price: %s", symbol, one)
		}
	}
}

// TestPricesAreSane looks at every listed stock and pair through two days: each trade lies within its moment's quote.
func TestPricesAreSane(t *testing.T) {
	t.Parallel()
	all := catalogue(t).All()
	if len(all) < 200 {
		t.Fatalf("only %d assets", len(all))
	}
	m := nonStop(t, 11)
	for _, a := range all {
		for minute := 0; minute < 2*24*60; minute += 197 {
			at := noon.Add(time.Duration(minute) * time.Minute)
			checkMoment(t, m, a, at)
			ratio := m.Price(a, at).InexactFloat64() / a.Price.InexactFloat64()
			if ratio < 0.2 || ratio > 5 {
				t.Fatalf("%s: price %s is far from %s", a.Symbol, m.Price(a, at), a.Price)
			}
		}
	}
}

func checkMoment(t testing.TB, m *market.Market, a *asset.Asset, at time.Time) {
	t.Helper()
	quote, trade := m.Quote(a, at), m.Trade(a, at)
	if !quote.BidPrice.IsPos() || !quote.BidPrice.LessThan(quote.AskPrice) {
		t.Fatalf("%s: bid %s, ask %s", a.Symbol, quote.BidPrice, quote.AskPrice)
	}
	if quote.Time.After(at) || trade.Time.After(at) || at.Sub(quote.Time) > time.Second {
		t.Fatalf("%s at %s: quote of %s, trade of %s", a.Symbol, at, quote.Time, trade.Time)
	}
	then := m.Quote(a, trade.Time)
	if trade.Price.LessThan(then.BidPrice) || trade.Price.GreaterThan(then.AskPrice) || !trade.Size.IsPos() {
		t.Fatalf("%s: trade of %s at %s outside %s to %s", a.Symbol, trade.Size, trade.Price, then.BidPrice, then.AskPrice)
	}
	if !trade.Price.Equal(m.Price(a, at)) {
		t.Fatalf("%s: trade at %s, price %s", a.Symbol, trade.Price, m.Price(a, at))
	}
}

// TestVolatility measures the daily moves of two years: they must match the listed volatility roughly.
func TestVolatility(t *testing.T) {
	t.Parallel()
	stock := find(t, "MSFT")
	m := nonStop(t, 5)
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
	m := nonStop(t, 5)
	m.Pin("AAPL", decimal.MustParse("0.5"))
	quote := m.Quote(stock, noon)
	if quote.BidPrice.String() != "0.4999" || quote.AskPrice.String() != "0.5001" {
		t.Errorf("quote = %s to %s", quote.BidPrice, quote.AskPrice)
	}
	for _, price := range []decimal.Decimal{m.Price(stock, noon), m.Trade(stock, noon).Price, m.Bar(stock, noon.Add(-time.Minute), noon).High} {
		if price.String() != "0.5" {
			t.Errorf("price = %s", price)
		}
	}
	m.Unpin("AAPL")
	if m.Price(stock, noon).LessThan(decimal.FromInt(10)) {
		t.Error("still pinned")
	}
}

func TestOptionsFollowThePinnedUnderlying(t *testing.T) {
	t.Parallel()
	call := find(t, "AAPL261218C00270000")
	m := nonStop(t, 5)
	m.Pin("AAPL", decimal.FromInt(400))
	if price := m.Price(call, noon).InexactFloat64(); price < 129 || price > 132 {
		t.Errorf("a call that is 130 in the money costs %f", price)
	}
	m.Pin(call.Symbol, decimal.FromInt(7))
	if quote := m.Quote(call, noon); quote.BidPrice.String() != "6.95" || quote.AskPrice.String() != "7.05" {
		t.Errorf("quote = %s to %s", quote.BidPrice, quote.AskPrice)
	}
}

// TestClosedMarket asks on a Sunday: stocks show Friday evening, options Friday's close, crypto goes on.
func TestClosedMarket(t *testing.T) {
	t.Parallel()
	m := open(t, 3)
	sunday := time.Date(2026, time.November, 22, 17, 0, 0, 0, time.UTC)
	cases := []struct {
		symbol string
		want   time.Time
	}{
		{"AAPL", time.Date(2026, time.November, 21, 1, 0, 0, 0, time.UTC)},
		{"AAPL261218C00270000", time.Date(2026, time.November, 20, 21, 0, 0, 0, time.UTC)},
		{"BTC/USD", sunday},
		{"AAPL261120C00270000", time.Date(2026, time.November, 20, 21, 0, 0, 0, time.UTC)}, // expired
	}
	for _, c := range cases {
		a := find(t, c.symbol)
		quote := m.Quote(a, sunday)
		if age := c.want.Sub(quote.Time); age < 0 || age > time.Second {
			t.Errorf("%s: quote of %s, want just before %s", c.symbol, quote.Time, c.want)
		}
		if trade := m.Trade(a, sunday); trade.Time.After(c.want) {
			t.Errorf("%s: trade of %s after %s", c.symbol, trade.Time, c.want)
		}
	}
	count := 0
	for range m.Trades(find(t, "AAPL"), market.Span{From: sunday.Add(-24 * time.Hour), To: sunday}) {
		count++
	}
	if count > 0 {
		t.Errorf("%d trades on a weekend", count)
	}
}

// TestHistoryBothWays reads spans upwards and downwards: the same items, in order, within the span.
func TestHistoryBothWays(t *testing.T) {
	t.Parallel()
	m := open(t, 3)
	// across an evening and the next morning
	span := market.Span{From: noon.Add(8*time.Hour - 30*time.Second), To: noon.Add(16*time.Hour + 30*time.Second)}
	down := span
	down.Descending = true
	for _, symbol := range []string{"AAPL", "BTC/USD"} {
		a := find(t, symbol)
		trades, reversed := slices.Collect(m.Trades(a, span)), slices.Collect(m.Trades(a, down))
		slices.Reverse(reversed)
		if len(trades) == 0 || !slices.Equal(trades, reversed) {
			t.Errorf("%s: %d trades upwards, %d downwards", symbol, len(trades), len(reversed))
		}
		for i, trade := range trades {
			if trade.Time.Before(span.From) || trade.Time.After(span.To) || i > 0 && !trade.Time.After(trades[i-1].Time) {
				t.Fatalf("%s: trade %d at %s", symbol, i, trade.Time)
			}
		}
		quotes, backwards := slices.Collect(m.Quotes(a, span)), slices.Collect(m.Quotes(a, down))
		slices.Reverse(backwards)
		if len(quotes) == 0 || !slices.Equal(quotes, backwards) {
			t.Errorf("%s: %d quotes upwards, %d downwards", symbol, len(quotes), len(backwards))
		}
	}
}

func TestVenue(t *testing.T) {
	t.Parallel()
	m, aapl := open(t, 3), find(t, "AAPL")
	span := market.Span{From: noon, To: noon.Add(time.Minute), Venue: "V"}
	count := 0
	for trade := range m.Trades(aapl, span) {
		count++
		if trade.Exchange != "V" {
			t.Errorf("trade on %s", trade.Exchange)
		}
	}
	if count == 0 {
		t.Error("no trades on IEX")
	}
	if last, ok := m.LastTrade(aapl, noon, "V"); !ok || last.Exchange != "V" {
		t.Errorf("last = %+v", last)
	}
}

func BenchmarkQuote(b *testing.B) {
	for _, symbol := range []string{"AAPL", "BTC/USD", "AAPL261218C00270000"} {
		b.Run(symbol, func(b *testing.B) {
			a, m := find(b, symbol), nonStop(b, 5)
			b.ReportAllocs()
			for b.Loop() {
				m.Quote(a, noon)
			}
		})
	}
}

func BenchmarkPrice(b *testing.B) {
	a, m := find(b, "AAPL"), nonStop(b, 5)
	b.ReportAllocs()
	for b.Loop() {
		m.Price(a, noon)
	}
}

func BenchmarkMinuteBar(b *testing.B) {
	a, m := find(b, "AAPL"), open(b, 5)
	b.ReportAllocs()
	for b.Loop() {
		m.Bar(a, noon, noon.Add(time.Minute))
	}
}

func BenchmarkDailyBar(b *testing.B) {
	a, m := find(b, "AAPL"), open(b, 5)
	at := noon
	for b.Loop() {
		for range m.Bars(a, market.Timeframe{Count: 1, Unit: market.Day}, market.Span{From: at.AddDate(0, 0, -4), To: at}, at) {
		}
		at = at.AddDate(0, 0, -5)
	}
}

// TestPriceIsTheLastTrades asks for prices in an order that finds some of them remembered.
func TestPriceIsTheLastTrades(t *testing.T) {
	t.Parallel()
	m := open(t, 1)
	for _, a := range []*asset.Asset{find(t, "AAPL"), find(t, "BTC/USD")} {
		for i := range 2_000 {
			at := noon.Add(time.Duration(i*i*7_919%60_000) * time.Millisecond)
			if got, want := m.Price(a, at), m.Trade(a, at).Price; !got.Equal(want) {
				t.Fatalf("%s at %s: price %s, last trade %s", a.Symbol, at, got, want)
			}
		}
	}
}
