package exchange

import (
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// The pattern-day-trader rule as it was until June 2026 (FINRA Rule 4210, Alpaca's old user protection page): an account below
// patternEquity at the last close may not make a day trade more than freeDayTrades in dayTradeDays trading days; above it, one
// that does is marked, and held to its day-trading buying power.
const (
	patternEquity = 25_000 // USD
	freeDayTrades = 3
	dayTradeDays  = 5
	codePattern   = 40310100
)

// When an account is checked, by Alpaca's names.
const (
	atEntry = "entry"
	atExit  = "exit"
	atBoth  = "both"
)

// dayTrading is what an account did within days. Only the pattern-day-trader rule keeps it.
type dayTrading struct {
	Trades map[string]int       `json:"trades,omitempty"` // day trades by date
	Date   string               `json:"date,omitempty"`   // of Rounds and Peak
	Rounds map[string]roundTrip `json:"rounds,omitempty"` // by symbol
	Peak   decimal.Decimal      `json:"peak"`             // the most that positions opened today cost, USD
	Marked bool                 `json:"marked,omitempty"` // a pattern day trader
}

// roundTrip is what an account did in one symbol today. Closing what was opened is one day trade, in however many parts.
type roundTrip struct {
	Opened  bool `json:"opened"`
	Closing bool `json:"closing"`
}

func (d dayTrading) clone() dayTrading {
	d.Trades, d.Rounds = maps.Clone(d.Trades), maps.Clone(d.Rounds)
	return d
}

func (x *Exchange) watchesDayTrades(traded *asset.Asset) bool {
	return x.settings.Disputed.PatternDayTraderFields && traded.Class != asset.Crypto
}

// today returns the account's day trading, begun anew on a new date.
func (a *Account) today(now time.Time) *dayTrading {
	date := now.In(a.exchange.clock.Location()).Format(time.DateOnly)
	if d := &a.dayTrading; d.Date != date {
		d.Date, d.Rounds, d.Peak = date, nil, decimal.Decimal{}
	}
	return &a.dayTrading
}

// dayTradeCount counts the day trades of the five trading days that end with a moment's.
func (a *Account) dayTradeCount(now time.Time) int {
	count, earliest, latest := 0, a.earliestDayTrade(now), now.In(a.exchange.clock.Location()).Format(time.DateOnly)
	for date, trades := range a.dayTrading.Trades {
		if date >= earliest && date <= latest {
			count += trades
		}
	}
	return count
}

// earliestDayTrade is the first date of the trading days that count at a moment.
func (a *Account) earliestDayTrade(now time.Time) string {
	for range dayTradeDays - 1 {
		now = a.exchange.clock.Calendar.Previous(now).Open
	}
	return now.In(a.exchange.clock.Location()).Format(time.DateOnly)
}

// forgetDayTrades drops what neither counts now nor counted at the last close.
func (a *Account) forgetDayTrades(now time.Time) {
	earliest := a.earliestDayTrade(a.exchange.clock.Calendar.PreviousClose(now))
	maps.DeleteFunc(a.dayTrading.Trades, func(date string, _ int) bool { return date < earliest })
}

// noteTrade takes an execution into account, before it changes the position; signed is positive for a purchase.
func (a *Account) noteTrade(traded *asset.Asset, signed decimal.Decimal, now time.Time) {
	if !a.exchange.watchesDayTrades(traded) {
		return
	}
	day, before := a.today(now), a.positionQty(traded.Symbol)
	trip := day.Rounds[traded.Symbol]
	if before.IsZero() || before.IsNeg() == signed.IsNeg() {
		trip.Opened, trip.Closing = true, false
	} else if trip.Opened && !trip.Closing {
		trip.Closing = true
		if day.Trades == nil {
			day.Trades = make(map[string]int)
		}
		day.Trades[day.Date]++
		a.forgetDayTrades(now)
		day.Marked = day.Marked || a.dayTradeCount(now) > freeDayTrades
	}
	if day.Rounds == nil {
		day.Rounds = make(map[string]roundTrip)
	}
	day.Rounds[traded.Symbol] = trip
}

// notePeak remembers the most that positions opened today cost.
func (a *Account) notePeak(now time.Time) {
	if !a.exchange.settings.Disputed.PatternDayTraderFields {
		return
	}
	day := a.today(now)
	if used := a.dayTradingUsed(); used.GreaterThan(day.Peak) {
		day.Peak = used
	}
}

// dayTradingUsed is what the stock positions that were opened today cost, USD.
func (a *Account) dayTradingUsed() decimal.Decimal {
	var used decimal.Decimal
	for _, held := range a.holdings {
		if opened := held.qty.Abs().Sub(held.overnightQty.Abs()); held.asset.Class == asset.Equity && opened.IsPos() {
			used = used.Add(opened.Mul(held.averageEntry()))
		}
	}
	return used
}

// dayTradingPower is the day-trading buying power at the start of the day, and what is left of it, USD.
func (a *Account) dayTradingPower() (start, left decimal.Decimal) {
	start = positive(a.lastEquity.Sub(a.lastMargin).Mul64(4))
	return start, positive(start.Sub(a.dayTradingUsed()).Sub(a.reserved))
}

// checkDayTrades applies the rule to an order, or to a leg of one.
func (a *Account) checkDayTrades(candidate *entry, now time.Time) error {
	if !a.exchange.watchesDayTrades(candidate.Asset) || a.lastEquity.GreaterThanOrEqual(decimal.FromInt(patternEquity)) ||
		a.dayTradeCount(now) < freeDayTrades {
		return nil
	}
	opens, check := candidate.Intent.opens(), a.configuration.PatternCheck
	trip := a.today(now).Rounds[candidate.Asset.Symbol]
	entered := opens && check != atExit
	left := !opens && check != atEntry && trip.Opened && !trip.Closing
	// An order that waits on the other side may fill on the same day.
	paired := check != atEntry && len(a.open[candidate.queue().opposite()]) > 0
	if !entered && !left && !paired {
		return nil
	}
	return &wire.Error{
		Status: http.StatusForbidden, Code: codePattern, Message: "trade denied due to pattern day trading protection",
	}
}

// checkDayTradingPower holds a marked account to its day-trading buying power.
func (a *Account) checkDayTradingPower(candidate *entry, now time.Time) error {
	if !a.exchange.watchesDayTrades(candidate.Asset) || !a.dayTrading.Marked || a.configuration.DayTradingPowerCheck == atExit {
		return nil
	}
	start, left := a.dayTradingPower()
	if candidate.replaces != nil {
		left = left.Add(candidate.replaces.reserved)
	}
	if candidate.need().LessThanOrEqual(left) {
		return nil
	}
	return wire.Forbidden("insufficient day trading buying power").
		With("day_trading_buying_power", left.Trunc(2).String()).
		With("max_dtbp_used", start.Sub(left).Add(candidate.need()).String()).
		With("max_dtbp_used_so_far", a.today(now).Peak.String()).
		With("symbol", candidate.Asset.Symbol)
}

// appendDayTrading appends the five fields of the rule.
func (s *Summary) appendDayTrading(dst []byte) []byte {
	d := s.DayTrading
	dst = wire.Bool(append(dst, `,"pattern_day_trader":`...), d.Marked)
	dst = strconv.AppendInt(append(dst, `,"daytrade_count":`...), int64(d.Count), 10)
	dst = strconv.AppendInt(append(dst, `,"last_daytrade_count":`...), int64(d.LastCount), 10)
	dst = wire.Decimal(append(dst, `,"daytrading_buying_power":`...), d.Power)
	return wire.Decimal(append(dst, `,"last_daytrading_buying_power":`...), d.LastPower)
}

// DayTradingSummary is what account answers said of day trading until July 2026.
type DayTradingSummary struct {
	Marked           bool // a pattern day trader
	Count, LastCount int  // day trades in five trading days, now and at the last close
	Power, LastPower decimal.Decimal
}

func (a *Account) dayTradingSummary(now time.Time) *DayTradingSummary {
	if !a.exchange.settings.Disputed.PatternDayTraderFields {
		return nil
	}
	start, left := a.dayTradingPower()
	return &DayTradingSummary{
		Marked: a.dayTrading.Marked, Count: a.dayTradeCount(now), LastCount: a.dayTradeCount(a.lastClose), Power: left, LastPower: start,
	}
}
