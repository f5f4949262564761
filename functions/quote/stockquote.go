package quote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// StockQuote is the data of a quote. Prices are USD, sizes and volume shares; null is what Alpaca does not have.
type StockQuote struct {
	Symbol string `json:"symbol" example:"AAPL"`
	// Alpaca writes price 0 and size 0 for a side without a quote; here both are null, because 0 is no price.
	BidPrice  *decimal.Number `json:"bid_price" doc:"Best bid in USD, null without one."`
	AskPrice  *decimal.Number `json:"ask_price" doc:"Best offer in USD, null without one."`
	LastPrice *decimal.Number `json:"last_price" doc:"Price of the latest trade in USD."`
	BidSize   *decimal.Number `json:"bid_size" doc:"Shares at the best bid."`
	AskSize   *decimal.Number `json:"ask_size" doc:"Shares at the best offer."`
	Volume    *decimal.Number `json:"volume" doc:"Shares traded today on the feed's exchanges."`
	Timestamp *time.Time      `json:"timestamp" doc:"When the quote was made, or the trade when there is no quote."`
	AsOf      time.Time       `json:"as_of" doc:"When it was read from Alpaca."`
	Feed      string          `json:"feed" doc:"Source of the data." example:"iex"`
	// Stale is the last field, so that a stored quote is marked without decoding it.
	Stale bool `json:"stale" doc:"True when Alpaca does not answer and this is an older quote."`
}

// newStockQuote takes from snapshot what a quote has.
func newStockQuote(symbol, feed string, snapshot alpaca.Snapshot, asOf time.Time) StockQuote {
	q := StockQuote{Symbol: symbol, Feed: feed, AsOf: asOf.UTC()}
	if trade := snapshot.LatestTrade; trade != nil {
		q.LastPrice, q.Timestamp = &trade.Price, &trade.Timestamp
	}
	if day := snapshot.DailyBar; day != nil {
		q.Volume = &day.Volume
	}
	if quote := snapshot.LatestQuote; quote != nil {
		q.BidPrice, q.BidSize = side(&quote.BidPrice, &quote.BidSize)
		q.AskPrice, q.AskSize = side(&quote.AskPrice, &quote.AskSize)
		q.Timestamp = &quote.Timestamp
	}
	return q
}

func side(price, size *decimal.Number) (*decimal.Number, *decimal.Number) {
	if price.IsZero() {
		return nil, nil
	}
	return price, size
}

// The last field of an encoded quote.
const (
	freshEnd = `"stale":false}`
	staleEnd = `"stale":true}`
)

func (q StockQuote) encode() ([]byte, error) {
	encoded, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("encode the quote of %s: %w", q.Symbol, err)
	}
	return encoded, nil
}

// encodedQuote reports whether data is a fresh encoded quote: what Redis gives back is not taken on trust.
func encodedQuote(data []byte) bool {
	return bytes.HasSuffix(data, []byte(freshEnd)) && json.Valid(data)
}

// markStale returns a copy of an encoded quote that says that it is stale.
func markStale(data []byte) []byte {
	head := bytes.TrimSuffix(data, []byte(freshEnd))
	return slices.Concat(head, []byte(staleEnd))
}
