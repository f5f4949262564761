package feed

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// cryptoFeed makes the messages of crypto streams: of pairs, or of perpetual futures.
type cryptoFeed struct {
	World
	perpetual bool
	message   wire.Object
}

func (c *cryptoFeed) class() asset.Class {
	if c.perpetual {
		return asset.Perpetual
	}
	return asset.Crypto
}

func (c *cryptoFeed) symbols() []string {
	if c.perpetual {
		return symbolsOf(c.Catalogue.Perpetuals(), asset.Perpetual)
	}
	return symbolsOf(c.Catalogue.All(), asset.Crypto)
}

func (c *cryptoFeed) tick(f *feed, from, to time.Time) {
	for _, w := range f.watched {
		c.look(w, from)
		if w.asset == nil {
			continue
		}
		c.quotesAndBook(f, w, to)
		c.trades(f, w, from, to)
		c.bars(f, w, from, to)
		c.pricing(f, w, from, to)
	}
}

func (c *cryptoFeed) look(w *watch, at time.Time) {
	if w.looked {
		return
	}
	w.looked = true
	found, ok := c.Catalogue.Find(w.symbol)
	if !ok || found.Class != c.class() || found.Symbol != w.symbol {
		return
	}
	w.asset = found
	w.quote = c.Market.Quote(found, at)
	w.levels = c.depth(w)
}

func (c *cryptoFeed) quotesAndBook(f *feed, w *watch, to time.Time) {
	quote := c.Market.Quote(w.asset, to)
	if quote == w.quote {
		return
	}
	w.quote = quote
	f.publish(quotes, c.quoteMessage(w.symbol, &quote), w.symbol)
	if !f.wants(orderbooks, w.symbol) {
		w.levels = nil
		return
	}
	next := c.depth(w)
	before := w.levels
	w.levels = next
	if before == nil {
		return
	}
	bids, asks := before.bids.changes(next.bids), before.asks.changes(next.asks)
	if len(bids)+len(asks) > 0 {
		f.publish(orderbooks, bookMessage(&c.message, w.symbol, next.at, bids, asks, false), w.symbol)
	}
}

func (c *cryptoFeed) book(w *watch, at time.Time) (*wire.Object, bool) {
	c.look(w, at)
	if w.asset == nil {
		return nil, false
	}
	if w.levels == nil {
		w.levels = c.depth(w)
	}
	return bookMessage(&c.message, w.symbol, w.levels.at, w.levels.bids, w.levels.asks, true), true
}

func (c *cryptoFeed) trades(f *feed, w *watch, from, to time.Time) {
	if !f.wants(trades, w.symbol) {
		return
	}
	for trade := range c.Market.Trades(w.asset, since(from, to)) {
		f.publish(trades, c.tradeMessage(w.symbol, &trade), w.symbol)
	}
}

// bars publishes the bars of the minute and of the day so far with each minute, and half a minute later those that late
// trades changed.
func (c *cryptoFeed) bars(f *feed, w *watch, from, to time.Time) {
	const half = 30 * time.Second
	for at := range steps(from, to, half) {
		end := at.Truncate(time.Minute)
		if !end.Equal(at) {
			if f.wants(updatedBars, w.symbol) && late(c.Seed, w.symbol, end) {
				c.publishBar(f, updatedBars, "u", w, minute(), end)
			}
			continue
		}
		if f.wants(bars, w.symbol) {
			c.publishBar(f, bars, "b", w, minute(), end)
		}
		if f.wants(dailyBars, w.symbol) {
			c.publishBar(f, dailyBars, "d", w, day(), end)
		}
	}
}

func (c *cryptoFeed) publishBar(f *feed, ch channel, kind string, w *watch, frame market.Timeframe, end time.Time) {
	if bar, ok := c.barBefore(w.asset, frame, end, ""); ok {
		f.publish(ch, c.barMessage(kind, w.symbol, &bar), w.symbol)
	}
}

// The messages, field by field as on Alpaca's page "Real-time Crypto Data".

func (c *cryptoFeed) tradeMessage(symbol string, t *market.Trade) *wire.Object {
	taker := "B"
	if t.TakerSells {
		taker = "S"
	}
	return c.message.Reset().String("T", "t").String("S", symbol).Number("p", t.Price).Number("s", t.Size).
		Time("t", t.Time).Uint("i", t.ID).String("tks", taker)
}

func (c *cryptoFeed) quoteMessage(symbol string, q *market.Quote) *wire.Object {
	return c.message.Reset().String("T", "q").String("S", symbol).Number("bp", q.BidPrice).Number("bs", q.BidSize).
		Number("ap", q.AskPrice).Number("as", q.AskSize).Time("t", q.Time)
}

func (c *cryptoFeed) barMessage(kind, symbol string, b *market.Bar) *wire.Object {
	return c.message.Reset().String("T", kind).String("S", symbol).Number("o", b.Open).Number("h", b.High).
		Number("l", b.Low).Number("c", b.Close).Number("v", b.Volume).Int("n", b.Trades).Number("vw", b.VWAP).
		Time("t", b.Start)
}
