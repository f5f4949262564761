package data

import (
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

func (api *API) appendQuote(dst []byte, stock *asset.Asset, now time.Time) []byte {
	quote := api.Market.Quote(stock, now)
	dst = wire.Time(append(dst, `{"t":`...), quote.Time)
	dst = wire.String(append(dst, `,"ax":`...), quote.AskExchange)
	dst = wire.Number(append(dst, `,"ap":`...), quote.AskPrice)
	dst = wire.Number(append(dst, `,"as":`...), quote.AskSize)
	dst = wire.String(append(dst, `,"bx":`...), quote.BidExchange)
	dst = wire.Number(append(dst, `,"bp":`...), quote.BidPrice)
	dst = wire.Number(append(dst, `,"bs":`...), quote.BidSize)
	dst = wire.String(append(dst, `,"c":["R"],"z":`...), stock.Tape())
	return append(dst, '}')
}

func (api *API) appendTrade(dst []byte, stock *asset.Asset, now time.Time) []byte {
	trade := api.Market.Trade(stock, now)
	dst = wire.Time(append(dst, `{"t":`...), trade.Time)
	dst = wire.String(append(dst, `,"x":`...), trade.Exchange)
	dst = wire.Number(append(dst, `,"p":`...), trade.Price)
	dst = wire.Number(append(dst, `,"s":`...), trade.Size)
	dst = strconv.AppendUint(append(dst, `,"c":["@"],"i":`...), trade.ID, 10)
	dst = wire.String(append(dst, `,"z":`...), stock.Tape())
	return append(dst, '}')
}

// appendLatestBar appends the last minute that is over.
func (api *API) appendLatestBar(dst []byte, stock *asset.Asset, now time.Time) []byte {
	end := api.Clock.MarketTime(now).Truncate(time.Minute)
	return appendBar(dst, api.Market.Bar(stock, end.Add(-time.Minute), end))
}

func (api *API) appendSnapshot(dst []byte, stock *asset.Asset, now time.Time) []byte {
	today, yesterday := api.tradingDays(now)
	dst = api.appendTrade(append(dst, `{"latestTrade":`...), stock, now)
	dst = api.appendQuote(append(dst, `,"latestQuote":`...), stock, now)
	dst = api.appendLatestBar(append(dst, `,"minuteBar":`...), stock, now)
	dst = appendBar(append(dst, `,"dailyBar":`...), api.dailyBar(stock, today, now))
	dst = appendBar(append(dst, `,"prevDailyBar":`...), api.dailyBar(stock, yesterday, now))
	return append(dst, '}')
}

// tradingDays returns the latest trading day whose regular session has begun, and the one before.
func (api *API) tradingDays(now time.Time) (today, yesterday session.Day) {
	calendar := api.Clock.Calendar
	today, ok := calendar.DayOf(now)
	if !ok || now.Before(today.Open) {
		today = calendar.Previous(now)
	}
	return today, calendar.Previous(today.Open)
}

// dailyBar is stamped with New York's midnight.
func (api *API) dailyBar(stock *asset.Asset, day session.Day, now time.Time) market.Bar {
	end := day.Close
	if now.Before(end) {
		end = now
	}
	bar := api.Market.Bar(stock, day.Open, end)
	bar.Start = time.Date(day.Open.Year(), day.Open.Month(), day.Open.Day(), 0, 0, 0, 0, day.Open.Location())
	return bar
}

func appendBar(dst []byte, bar market.Bar) []byte {
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
