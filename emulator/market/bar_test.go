package market_test

import (
	"slices"
	"testing"
	"time"

	"github.com/quagmt/udecimal"
	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// rebuild builds a bar of trades in the slow and obvious way, by the rules that hold for the walk's conditions.
func rebuild(trades []market.Trade) market.Bar {
	var bar market.Bar
	turnover, weight := decimal.Decimal{}, decimal.Decimal{}
	for _, trade := range trades {
		bar.Trades++
		bar.Volume = bar.Volume.Add(trade.Size)
		if trade.Conditions == "@I" || trade.Conditions == "@TI" {
			continue
		}
		if bar.Open.IsZero() {
			bar.Open, bar.High, bar.Low = trade.Price, trade.Price, trade.Price
		}
		bar.High, bar.Low, bar.Close = udecimal.Max(bar.High, trade.Price), udecimal.Min(bar.Low, trade.Price), trade.Price
		turnover, weight = turnover.Add(trade.Price.Mul(trade.Size)), weight.Add(trade.Size)
	}
	if mean, err := turnover.Div(weight); err == nil {
		bar.VWAP = mean
	}
	return bar
}

// TestBarsAreMadeOfTrades compares bars of any length at any time with the trades in them.
func TestBarsAreMadeOfTrades(t *testing.T) {
	t.Parallel()
	m := nonStop(t, 9)
	assets := []*asset.Asset{
		find(t, "AAPL"), find(t, "F"), find(t, "BTC/USD"), find(t, "DOGE/USD"), find(t, "SHIB/USD"), find(t, "TSLA261127C00390000"),
	}
	tolerance := decimal.MustParse("0.000001")
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SampledFrom(assets).Draw(t, "asset")
		start := noon.Add(-time.Duration(rapid.IntRange(0, 72*3600).Draw(t, "seconds")) * time.Second)
		end := start.Add(time.Duration(rapid.IntRange(1, 600).Draw(t, "length")) * time.Second)
		bar := m.Bar(a, start, end)
		want := rebuild(slices.Collect(m.Trades(a, market.Span{From: start, To: end.Add(-1)})))
		if want.Trades == 0 && a.Class == asset.Crypto {
			if !bar.Volume.IsZero() || bar.Trades != 0 || bar.IsZero() || !bar.VWAP.IsZero() {
				t.Fatalf("%s without trades: %+v", a.Symbol, bar)
			}
			return
		}
		if bar.Trades != want.Trades || !bar.Volume.Equal(want.Volume) {
			t.Fatalf("%s: %d trades of %s, want %d of %s", a.Symbol, bar.Trades, bar.Volume, want.Trades, want.Volume)
		}
		if !bar.Open.Equal(want.Open) || !bar.High.Equal(want.High) || !bar.Low.Equal(want.Low) || !bar.Close.Equal(want.Close) {
			t.Fatalf("%s: %+v, want %+v", a.Symbol, bar, want)
		}
		if bar.VWAP.Sub(want.VWAP).Abs().GreaterThan(tolerance) {
			t.Fatalf("%s: weighted price %s, want %s", a.Symbol, bar.VWAP, want.VWAP)
		}
	})
}

func bars(m *market.Market, a *asset.Asset, text string, span market.Span, until time.Time) []market.Bar {
	timeframe, err := market.ParseTimeframe(text)
	if err != nil {
		panic(err)
	}
	return slices.Collect(m.Bars(a, timeframe, span, until))
}

// TestLongBarsAreMadeOfShortOnes folds minutes into hours and days into weeks and months.
func TestLongBarsAreMadeOfShortOnes(t *testing.T) {
	t.Parallel()
	m := open(t, 9)
	cases := []struct {
		symbol, long, short string
		from, to            time.Time
	}{
		{"AAPL", "1Hour", "1Min", noon.Add(-8 * time.Hour), noon},
		{"AAPL", "15Min", "5Min", noon.Add(-8 * time.Hour), noon},
		{"BTC/USD", "4Hour", "1Hour", noon.Add(-40 * time.Hour), noon},
		{"AAPL", "1Week", "1Day", time.Date(2026, 10, 12, 4, 0, 0, 0, time.UTC), noon},
		{"AAPL", "1Month", "1Day", time.Date(2026, 9, 1, 4, 0, 0, 0, time.UTC), time.Date(2026, 11, 1, 3, 0, 0, 0, time.UTC)},
		{"ETH/USD", "1Week", "1Day", time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC), noon},
		{"AAPL261218C00270000", "1Week", "1Day", time.Date(2026, 11, 2, 4, 0, 0, 0, time.UTC), noon},
	}
	for _, c := range cases {
		t.Run(c.symbol+" "+c.long, func(t *testing.T) {
			t.Parallel()
			a := find(t, c.symbol)
			span := market.Span{From: c.from, To: c.to}
			long, short := bars(m, a, c.long, span, c.to), bars(m, a, c.short, span, c.to)
			if len(long) < 2 || len(short) <= len(long) {
				t.Fatalf("%d long bars, %d short ones", len(long), len(short))
			}
			for i, bar := range long {
				end := c.to.Add(1)
				if i+1 < len(long) {
					end = long[i+1].Start
				}
				checkParts(t, bar, slices.DeleteFunc(slices.Clone(short), func(part market.Bar) bool {
					return part.Start.Before(bar.Start) || !part.Start.Before(end)
				}))
			}
		})
	}
}

func checkParts(t testing.TB, bar market.Bar, parts []market.Bar) {
	t.Helper()
	if len(parts) == 0 {
		t.Fatalf("bar of %s has no parts", bar.Start)
	}
	want := market.Bar{Open: parts[0].Open, High: parts[0].High, Low: parts[0].Low, Close: parts[len(parts)-1].Close}
	for _, part := range parts {
		want.High, want.Low = udecimal.Max(want.High, part.High), udecimal.Min(want.Low, part.Low)
		want.Volume, want.Trades = want.Volume.Add(part.Volume), want.Trades+part.Trades
	}
	// A minute of odd lots only has volume but no bar; a crypto bar without trades has prices that a longer one ignores.
	if bar.Volume.LessThan(want.Volume) || bar.Trades < want.Trades {
		t.Errorf("%s: volume %s of %d trades, parts have %s of %d", bar.Start, bar.Volume, bar.Trades, want.Volume, want.Trades)
	}
	if want.Volume.IsZero() || slices.ContainsFunc(parts, func(part market.Bar) bool { return part.Trades == 0 }) {
		return
	}
	if !bar.Open.Equal(want.Open) || !bar.High.Equal(want.High) || !bar.Low.Equal(want.Low) || !bar.Close.Equal(want.Close) {
		t.Errorf("%s: %+v, parts have %+v", bar.Start, bar, want)
	}
}

// TestDailyBars: stamps at New York's midnight, none on holidays and weekends, prices of the regular session only, volume of
// the whole day; a half day ends at 13:00.
func TestDailyBars(t *testing.T) {
	t.Parallel()
	m, aapl := open(t, 9), find(t, "AAPL")
	until := time.Date(2026, time.December, 1, 12, 0, 0, 0, time.UTC)
	found := bars(m, aapl, "1Day", market.Span{From: time.Date(2026, 10, 29, 0, 0, 0, 0, time.UTC), To: until}, until)
	var stamps []string
	for _, bar := range found {
		stamps = append(stamps, bar.Start.UTC().Format("01-02T15:04"))
	}
	for _, want := range []string{"10-30T04:00", "11-02T05:00", "11-25T05:00", "11-27T05:00", "11-30T05:00"} {
		if !slices.Contains(stamps, want) {
			t.Errorf("no bar of %s in %v", want, stamps)
		}
	}
	for _, holiday := range []string{"11-01T05:00", "11-26T05:00", "11-28T05:00", "12-01T05:00"} {
		if slices.Contains(stamps, holiday) {
			t.Errorf("a bar of %s", holiday)
		}
	}
	half := found[slices.Index(stamps, "11-27T05:00")]
	begin := time.Date(2026, time.November, 27, 14, 30, 0, 0, time.UTC)
	session := m.Bar(aapl, begin, begin.Add(3*time.Hour+30*time.Minute))
	if !half.Open.Equal(session.Open) || !half.Close.Equal(session.Close) || !half.High.Equal(session.High) {
		t.Errorf("half day %+v, session %+v", half, session)
	}
	if !half.Volume.GreaterThan(session.Volume) {
		t.Error("the volume of extended hours is missing")
	}
	day := m.Bar(aapl, begin.Add(-330*time.Minute), begin.Add(8*time.Hour))
	if !half.Volume.Equal(day.Volume) || half.Trades != day.Trades {
		t.Errorf("volume %s of %d trades, trades have %s of %d", half.Volume, half.Trades, day.Volume, day.Trades)
	}
}

// TestADayGrows looks at a day's bar again and again while it is not over, and back: the same as looking once.
func TestADayGrows(t *testing.T) {
	t.Parallel()
	for _, mode := range []session.Mode{session.Real, session.AlwaysOpen} {
		hours, err := session.NewClock(session.Settings{Mode: mode}, clock.System{})
		if err != nil {
			t.Fatal(err)
		}
		for _, symbol := range []string{"AAPL", "BTC/USD", "AAPL261218C00270000"} {
			a := find(t, symbol)
			looked := market.New(9, hours)
			span := market.Span{From: noon.AddDate(0, 0, -1), To: noon.Add(12 * time.Hour)}
			for _, offset := range []time.Duration{-6 * time.Hour, -time.Hour, 0, 90 * time.Second, -2 * time.Hour, 8 * time.Hour} {
				until := noon.Add(offset)
				got, want := bars(looked, a, "1Day", span, until), bars(market.New(9, hours), a, "1Day", span, until)
				if !slices.Equal(got, want) {
					t.Errorf("%s, %s, %s: %v, want %v", mode, symbol, until, got, want)
				}
			}
		}
	}
}

func TestBarsBothWays(t *testing.T) {
	t.Parallel()
	m := open(t, 9)
	for _, text := range []string{"1Min", "7Min", "1Hour", "1Day", "1Week", "3Month"} {
		for _, symbol := range []string{"AAPL", "LTC/USD"} {
			a := find(t, symbol)
			span := market.Span{From: noon.AddDate(0, -4, 0), To: noon}
			if text == "1Min" || text == "7Min" {
				span.From = noon.AddDate(0, 0, -4)
			}
			down := span
			down.Descending = true
			upwards, downwards := bars(m, a, text, span, noon), bars(m, a, text, down, noon)
			slices.Reverse(downwards)
			if len(upwards) == 0 || !slices.Equal(upwards, downwards) {
				t.Errorf("%s %s: %d upwards, %d downwards", symbol, text, len(upwards), len(downwards))
			}
		}
	}
}

func TestNoBarsWhileClosed(t *testing.T) {
	t.Parallel()
	m := open(t, 9)
	friday := time.Date(2026, time.November, 20, 0, 0, 0, 0, time.UTC)
	for _, bar := range bars(m, find(t, "AAPL"), "1Min", market.Span{From: friday, To: noon}, noon) {
		hour := bar.Start.UTC().Hour()
		if day := bar.Start.UTC().Day(); hour >= 1 && hour < 9 || day == 22 || day == 21 && hour >= 1 {
			t.Fatalf("a bar at %s", bar.Start)
		}
	}
}

// TestAbandonedBars: who is gone gets nothing more, also in the middle of a bar of a year.
func TestAbandonedBars(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	close(gone)
	span := market.Span{From: noon.AddDate(-8, 0, 0), To: noon, Done: gone}
	for _, frame := range []market.Timeframe{{Count: 1, Unit: market.Minute}, {Count: 12, Unit: market.Month}} {
		for bar := range nonStop(t, 1).Bars(find(t, "AAPL"), frame, span, noon) {
			t.Errorf("a bar of %s", bar.Start)
		}
	}
}
