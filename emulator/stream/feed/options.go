package feed

import (
	"math"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// optionFeed makes the messages of option streams.
type optionFeed struct {
	bookless
	World
	date    string // on which the symbols were drawn up
	message wire.Object
}

// symbols returns the contracts that a star stands for, which only trades may have: of all that are listed those near the
// money that expire next, because the others hardly trade.
func (o *optionFeed) symbols() []string {
	now := o.Clock.Now()
	o.date = dateIn(now, o.Clock.Calendar)
	expirations := o.Catalogue.Expirations(now)
	if len(expirations) == 0 {
		return nil
	}
	var symbols []string
	for _, underlying := range slices.Concat(o.Catalogue.Underlyings(), o.Catalogue.Indices()) {
		spot := o.Market.Price(underlying, now).InexactFloat64()
		for contract := range o.Catalogue.ChainOf(underlying, expirations[:1]) {
			const near = 0.02
			if math.Abs(contract.Contract.Strike.InexactFloat64()/spot-1) < near {
				symbols = append(symbols, contract.Symbol)
			}
		}
	}
	return symbols
}

func dateIn(t time.Time, calendar *session.Calendar) string {
	return t.In(calendar.Location()).Format(time.DateOnly)
}

func (o *optionFeed) tick(f *feed, from, to time.Time) {
	for _, w := range f.watched {
		o.look(w, from)
		if w.asset == nil || !to.Before(w.asset.Contract.LastTrade) {
			continue
		}
		o.quotes(f, w, to)
		o.trades(f, w, from, to)
	}
	if o.date != "" && o.date != dateIn(o.Clock.Now(), o.Clock.Calendar) {
		f.stale = true // other contracts are next to expire
	}
}

func (o *optionFeed) look(w *watch, at time.Time) {
	if w.looked {
		return
	}
	w.looked = true
	found, ok := o.Catalogue.Find(w.symbol)
	if !ok || found.Class != asset.Option {
		return
	}
	w.asset = found
	w.quote = o.Market.Quote(found, at)
}

func (o *optionFeed) quotes(f *feed, w *watch, to time.Time) {
	if !f.wants(quotes, w.symbol) {
		return
	}
	quote := o.Market.Quote(w.asset, to)
	if quote == w.quote {
		return
	}
	w.quote = quote
	f.publish(quotes, o.message.Reset().String("T", "q").String("S", w.symbol).Time("t", quote.Time).
		String("bx", quote.BidExchange).Number("bp", quote.BidPrice).Int("bs", whole(quote.BidSize)).
		String("ax", quote.AskExchange).Number("ap", quote.AskPrice).Int("as", whole(quote.AskSize)).String("c", "A"), w.symbol)
}

func (o *optionFeed) trades(f *feed, w *watch, from, to time.Time) {
	if !f.wants(trades, w.symbol) {
		return
	}
	for trade := range o.Market.Trades(w.asset, since(from, to)) {
		f.publish(trades, o.tradeMessage(w.symbol, &trade), w.symbol)
	}
}

func (o *optionFeed) tradeMessage(symbol string, t *market.Trade) *wire.Object {
	return o.message.Reset().String("T", "t").String("S", symbol).Time("t", t.Time).Number("p", t.Price).
		Int("s", whole(t.Size)).String("x", t.Exchange).String("c", t.Conditions)
}
