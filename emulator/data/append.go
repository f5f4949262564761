package data

import (
	"strconv"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// The objects of the Market Data API, field by field as in Alpaca's specification. Stocks have arrays of conditions,
// options one string, crypto none.

func stockQuote(dst []byte, stock *asset.Asset, quote *market.Quote) []byte {
	dst = quoteSides(dst, quote)
	dst = wire.String(append(dst, `,"c":["R"],"z":`...), stock.Tape())
	return append(dst, '}')
}

func optionQuote(dst []byte, _ *asset.Asset, quote *market.Quote) []byte {
	return append(quoteSides(dst, quote), `,"c":"A"}`...)
}

// quoteSides appends the fields that quotes of stocks and options share, without the closing brace.
func quoteSides(dst []byte, quote *market.Quote) []byte {
	dst = wire.Time(append(dst, `{"t":`...), quote.Time)
	dst = wire.String(append(dst, `,"ax":`...), quote.AskExchange)
	dst = wire.Number(append(dst, `,"ap":`...), quote.AskPrice)
	dst = wire.Number(append(dst, `,"as":`...), quote.AskSize)
	dst = wire.String(append(dst, `,"bx":`...), quote.BidExchange)
	dst = wire.Number(append(dst, `,"bp":`...), quote.BidPrice)
	return wire.Number(append(dst, `,"bs":`...), quote.BidSize)
}

func cryptoQuote(dst []byte, _ *asset.Asset, quote *market.Quote) []byte {
	dst = wire.Number(append(dst, `{"ap":`...), quote.AskPrice)
	dst = wire.Number(append(dst, `,"as":`...), quote.AskSize)
	dst = wire.Number(append(dst, `,"bp":`...), quote.BidPrice)
	dst = wire.Number(append(dst, `,"bs":`...), quote.BidSize)
	return append(wire.Time(append(dst, `,"t":`...), quote.Time), '}')
}

func stockTrade(dst []byte, stock *asset.Asset, trade *market.Trade) []byte {
	dst = wire.Time(append(dst, `{"t":`...), trade.Time)
	dst = wire.String(append(dst, `,"x":`...), trade.Exchange)
	dst = wire.Number(append(dst, `,"p":`...), trade.Price)
	dst = wire.Number(append(dst, `,"s":`...), trade.Size)
	dst = append(dst, `,"c":[`...)
	for i := range len(trade.Conditions) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.String(dst, trade.Conditions[i:i+1])
	}
	dst = strconv.AppendUint(append(dst, `],"i":`...), trade.ID, 10)
	dst = wire.String(append(dst, `,"z":`...), stock.Tape())
	return append(dst, '}')
}

func optionTrade(dst []byte, _ *asset.Asset, trade *market.Trade) []byte {
	dst = wire.Time(append(dst, `{"t":`...), trade.Time)
	dst = wire.String(append(dst, `,"x":`...), trade.Exchange)
	dst = wire.Number(append(dst, `,"p":`...), trade.Price)
	dst = wire.Number(append(dst, `,"s":`...), trade.Size)
	return append(wire.String(append(dst, `,"c":`...), trade.Conditions), '}')
}

func cryptoTrade(dst []byte, _ *asset.Asset, trade *market.Trade) []byte {
	dst = strconv.AppendUint(append(dst, `{"i":`...), trade.ID, 10)
	dst = wire.Number(append(dst, `,"p":`...), trade.Price)
	dst = wire.Number(append(dst, `,"s":`...), trade.Size)
	dst = wire.Time(append(dst, `,"t":`...), trade.Time)
	if trade.TakerSells {
		return append(dst, `,"tks":"S"}`...)
	}
	return append(dst, `,"tks":"B"}`...)
}

// anyBar is the same for all classes but for the volume, which has fractions for crypto alone.
func anyBar(dst []byte, _ *asset.Asset, bar *market.Bar) []byte {
	dst = wire.Time(append(dst, `{"t":`...), bar.Start)
	dst = wire.Number(append(dst, `,"o":`...), bar.Open)
	dst = wire.Number(append(dst, `,"h":`...), bar.High)
	dst = wire.Number(append(dst, `,"l":`...), bar.Low)
	dst = wire.Number(append(dst, `,"c":`...), bar.Close)
	dst = wire.Number(append(dst, `,"v":`...), bar.Volume)
	dst = strconv.AppendInt(append(dst, `,"n":`...), bar.Trades, 10)
	dst = wire.Number(append(dst, `,"vw":`...), bar.VWAP)
	return append(dst, '}')
}

// appendField appends a member whose value add appends; nothing at all when add has nothing to say.
func appendField(dst []byte, name string, add func(dst []byte) ([]byte, bool)) []byte {
	before := len(dst)
	if dst[before-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(append(append(dst, '"'), name...), `":`...)
	dst, ok := add(dst)
	if !ok {
		return dst[:before]
	}
	return dst
}
