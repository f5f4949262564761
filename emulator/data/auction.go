package data

import (
	"iter"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// auctionDay is what a stock's primary exchange found at the open and at the close of a day: twice the same print, once as
// the auction's trade and once as the official price.
type auctionDay struct {
	midnight                time.Time
	exchange                string
	openAt, closeAt         time.Time
	openPrice, closePrice   decimal.Decimal // zero: not yet
	openVolume, closeVolume decimal.Decimal
}

// stockAuctions has the feed of all exchanges only.
func (api *API) stockAuctions(q *query, account *exchange.Account, symbols []string) page {
	span := api.stockSpan(q, account, "sip")
	convert := api.conversion(q)
	request := q.request(symbols, api.stock, span, "A")
	if q.err != nil {
		return page{}
	}
	return kind[auctionDay]{
		items: api.auctions, stamp: func(day *auctionDay) time.Time { return day.midnight },
		append: func(dst []byte, _ *asset.Asset, day *auctionDay) []byte {
			convert.each(&day.openPrice, &day.closePrice)
			return appendAuctions(dst, day)
		},
	}.collect(request)
}

// auctions yields the days of a span whose opening is over.
func (api *API) auctions(a *asset.Asset, span market.Span) iter.Seq[auctionDay] {
	return func(yield func(auctionDay) bool) {
		now := api.Clock.Now()
		for bar := range api.Market.Bars(a, market.Timeframe{Count: 1, Unit: market.Day}, span, now) {
			day, ok := api.Clock.TradingDay(bar.Start)
			if !ok {
				continue
			}
			found := auctionDay{
				midnight: bar.Start, exchange: primaryExchange(a), openAt: day.Open.Add(time.Second),
				closeAt: day.Close.Add(time.Second), openPrice: bar.Open, openVolume: auctionSize(bar.Volume),
			}
			if now.After(found.closeAt) {
				found.closePrice, found.closeVolume = bar.Close, auctionSize(bar.Volume).Mul64(3)
			}
			if now.After(found.openAt) && !yield(found) {
				return
			}
		}
	}
}

// auctionSize is what part of a day's volume is traded at its open.
func auctionSize(volume decimal.Decimal) decimal.Decimal {
	part, err := volume.Div64(40)
	if err != nil { // cannot happen: 40 is not 0
		return volume
	}
	return part.Floor()
}

func primaryExchange(a *asset.Asset) string {
	switch a.Exchange {
	case "NASDAQ":
		return "Q"
	case "ARCA":
		return "P"
	case "BATS":
		return "Z"
	default:
		return "N"
	}
}

func appendAuctions(dst []byte, day *auctionDay) []byte {
	dst = wire.String(append(dst, `{"d":`...), day.midnight.Format(time.DateOnly))
	dst = append(dst, `,"o":[`...)
	dst = appendPrints(dst, day.openAt, day.exchange, day.openPrice, day.openVolume, "O", "Q")
	dst = append(dst, `],"c":[`...)
	dst = appendPrints(dst, day.closeAt, day.exchange, day.closePrice, day.closeVolume, "6", "M")
	return append(dst, `]}`...)
}

func appendPrints(dst []byte, at time.Time, venue string, price, size decimal.Decimal, conditions ...string) []byte {
	if price.IsZero() {
		return dst
	}
	for i, condition := range conditions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.Time(append(dst, `{"t":`...), at)
		dst = wire.String(append(dst, `,"x":`...), venue)
		dst = wire.Number(append(dst, `,"p":`...), price)
		dst = wire.Number(append(dst, `,"s":`...), size)
		dst = append(wire.String(append(dst, `,"c":`...), condition), '}')
	}
	return dst
}
