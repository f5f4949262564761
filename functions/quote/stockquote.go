package quote

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Prices is the part of a quote that all classes have: both sides, the last price and today's volume. null is what
// Alpaca does not have.
type Prices struct {
	BidPrice  *decimal.Number `json:"bid_price" doc:"Best bid in USD, null without one."`
	AskPrice  *decimal.Number `json:"ask_price" doc:"Best offer in USD, null without one."`
	LastPrice *decimal.Number `json:"last_price" doc:"Price of the latest trade in USD."`
	BidSize   *decimal.Number `json:"bid_size" doc:"Shares, contracts or coins at the best bid."`
	AskSize   *decimal.Number `json:"ask_size" doc:"The same at the best offer."`
	Volume    *decimal.Number `json:"volume" doc:"Traded today on the feed's exchanges."`
	Timestamp *time.Time      `json:"timestamp" doc:"When the quote was made, or the trade when there is no quote."`
}

func pricesOf(snapshot *alpaca.Snapshot) Prices {
	var p Prices
	if trade := snapshot.LatestTrade; trade != nil {
		p.LastPrice, p.Timestamp = &trade.Price, &trade.Timestamp
	}
	if day := snapshot.DailyBar; day != nil {
		p.Volume = &day.Volume
	}
	if quote := snapshot.LatestQuote; quote != nil {
		p.BidPrice, p.BidSize = side(&quote.BidPrice, &quote.BidSize)
		p.AskPrice, p.AskSize = side(&quote.AskPrice, &quote.AskSize)
		p.Timestamp = &quote.Timestamp
	}
	return p
}

// StockQuote is the data of a stock's quote. Prices are USD, sizes and volume shares.
type StockQuote struct {
	Symbol string `json:"symbol" example:"AAPL"`
	Prices
	Origin
}

func stockQuote(l *latest) any {
	return StockQuote{Symbol: l.symbol, Prices: pricesOf(l.snapshot), Origin: Origin{AsOf: l.asOf, Feed: l.class.feed}}
}

// CryptoQuote is the data of a crypto pair's quote. Prices are in the quote currency, sizes and volume in the base
// currency.
type CryptoQuote struct {
	Symbol string `json:"symbol" example:"BTC/USD"`
	Prices
	Origin
}

func cryptoQuote(l *latest) any {
	return CryptoQuote{Symbol: l.symbol, Prices: pricesOf(l.snapshot), Origin: Origin{AsOf: l.asOf, Feed: l.class.feed}}
}
