package feed

import (
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
	message wire.Object
}

// symbols is empty: a star, which only trades may have, stands for so many contracts that each tick draws some of them.
func (*optionFeed) symbols() []string { return nil }

// drawn is how many contracts trade in a tick for those who listen to all.
const drawn = 8

func (o *optionFeed) tick(f *feed, from, to time.Time) {
	for _, w := range f.watched {
		o.look(w, from)
		if w.asset == nil || w.asset.Contract.Expired(to) || o.Clock.Phase(to) != session.Regular {
			continue
		}
		o.quotes(f, w, to)
		o.trades(f, w, to)
	}
	if len(f.topics[trades].all) > 0 && to.After(from) && o.Clock.Phase(to) == session.Regular {
		o.draw(f, to)
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
	w.quote, w.trade = o.Market.Quote(found, at), o.Market.Trade(found, at)
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

func (o *optionFeed) trades(f *feed, w *watch, to time.Time) {
	if !f.wants(trades, w.symbol) {
		return
	}
	trade := o.Market.Trade(w.asset, to)
	if trade == w.trade {
		return
	}
	w.trade = trade
	f.publish(trades, o.tradeMessage(w.symbol, &trade), w.symbol)
}

func (o *optionFeed) tradeMessage(symbol string, t *market.Trade) *wire.Object {
	return o.message.Reset().String("T", "t").String("S", symbol).Time("t", t.Time).Number("p", t.Price).
		Int("s", whole(t.Size)).String("x", t.Exchange).String("c", "I")
}

// draw publishes the trades of a few contracts of the nearest expiration to those who listen to all.
func (o *optionFeed) draw(f *feed, to time.Time) {
	underlyings := o.Catalogue.Underlyings()
	expirations := o.Catalogue.Expirations(to)
	if len(underlyings) == 0 || len(expirations) == 0 {
		return
	}
	for i := range uint64(drawn) {
		dice := mix(o.Seed+i, uint64(to.UnixNano()))
		contract := o.pick(underlyings[dice%uint64(len(underlyings))], expirations[:1], dice>>32)
		if contract == nil || len(f.topics[trades].bySymbol[contract.Symbol]) > 0 {
			continue // who listens by name has heard of it
		}
		trade := o.Market.Trade(contract, to)
		f.publish(trades, o.tradeMessage(contract.Symbol, &trade), contract.Symbol)
	}
}

// pick returns one contract of a chain.
func (o *optionFeed) pick(underlying *asset.Asset, expirations []time.Time, dice uint64) *asset.Asset {
	var picked *asset.Asset
	const length = 64 // about what one expiration has
	skip := dice % length
	for contract := range o.Catalogue.ChainOf(underlying, expirations) {
		picked = contract
		if skip == 0 {
			break
		}
		skip--
	}
	return picked
}
