package feed

import (
	"time"

	"github.com/quagmt/udecimal"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// testFeed makes the messages of the test stream, which never rests: a quote of FAKEPACA every five seconds, prices between
// 133 and 136, exchanges O and R, tape A, as in the sample of Alpaca's page.
type testFeed struct {
	bookless
	message wire.Object
}

const (
	testStep = 5 * time.Second
	testTape = "A"
)

func (*testFeed) symbols() []string { return []string{asset.TestSymbol} }

func (t *testFeed) tick(f *feed, from, to time.Time) {
	for at := range steps(from, to, testStep) {
		trade, quote := testMoment(at)
		f.publish(trades, stockTrade(&t.message, asset.TestSymbol, &trade, testTape), asset.TestSymbol)
		f.publish(quotes, stockQuote(&t.message, asset.TestSymbol, &quote, testTape), asset.TestSymbol)
	}
	for end := range steps(from, to, time.Minute) {
		bar := testBar(end)
		f.publish(bars, stockBar(&t.message, "b", asset.TestSymbol, &bar), asset.TestSymbol)
	}
}

// testMoment returns the trade and the quote of a step. The same for every seed: it is the one fixed point of a test.
func testMoment(at time.Time) (market.Trade, market.Quote) {
	dice := mix(uint64(at.Unix()), 1)
	price := udecimal.MustFromInt64(13_300+int64(dice%300), 2)
	tick := udecimal.MustFromInt64(1+int64(dice>>16%5), 2)
	trade := market.Trade{
		Time: at, Price: price, Size: decimal.FromInt(int64(1 + dice>>24%100)), ID: uint64(at.Unix()),
		Exchange: "O", Conditions: "@",
	}
	quote := market.Quote{
		Time: at, BidPrice: price.Sub(tick), AskPrice: price.Add(tick), BidExchange: "O", AskExchange: "R",
		BidSize: decimal.FromInt(int64(1 + dice>>32%9)), AskSize: decimal.FromInt(int64(1 + dice>>40%9)),
	}
	return trade, quote
}

// testBar returns the bar of the minute that ends at a time, from its trades.
func testBar(end time.Time) market.Bar {
	bar := market.Bar{Start: end.Add(-time.Minute)}
	var turnover decimal.Decimal
	for at := bar.Start; at.Before(end); at = at.Add(testStep) {
		trade, _ := testMoment(at)
		if bar.Trades == 0 {
			bar.Open, bar.High, bar.Low = trade.Price, trade.Price, trade.Price
		}
		bar.High, bar.Low = udecimal.Max(bar.High, trade.Price), udecimal.Min(bar.Low, trade.Price)
		bar.Close = trade.Price
		bar.Trades++
		bar.Volume = bar.Volume.Add(trade.Size)
		turnover = turnover.Add(trade.Price.Mul(trade.Size))
	}
	if mean, err := turnover.Div(bar.Volume); err == nil {
		bar.VWAP = mean.RoundHAZ(6)
	}
	return bar
}
