package market

import (
	"iter"
	"math"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Trade is one execution. The price is USD (for crypto: the pair's quote currency); the size is shares, contracts, or
// units of the pair's base.
type Trade struct {
	Time        time.Time
	Price, Size decimal.Decimal
	ID          uint64
	Exchange    string // exchange code; empty for crypto
	Conditions  string // one letter each, for example "@I"
	TakerSells  bool   // crypto only
}

// Sale conditions that the walk uses.
const (
	regular       = "@"
	oddLot        = "@I"
	sweep         = "@F"
	extended      = "@T"
	extendedOdd   = "@TI"
	optionAuto    = "I" // automatic execution
	optionAuction = "a" // single leg auction
)

// Time is divided into slots, each of which has one trade or none. They divide a minute, at which sessions begin and end.
const (
	stockSlot    = 2 * time.Second
	extendedSlot = 12 * time.Second
	coinSlot     = time.Second
	optionSlot   = 15 * time.Second
	perMille     = 1000
	// minTradeDelay is the earliest moment of a trade within its step: after the step's quote.
	minTradeDelay = maxDelay
)

// raw is a trade before it is dressed up. Its price is looked up only when it matters.
type raw struct {
	at, moment, size int64 // UNIX nanoseconds, the same at the start of the step, units
	dice             uint64
	conditions       string
}

func (s *series) slot(phase session.Phase) int64 {
	switch {
	case s.asset.Class == asset.Option:
		return int64(optionSlot)
	case s.asset.Pair != nil:
		return int64(coinSlot)
	case phase != session.Regular:
		return int64(extendedSlot)
	default:
		return int64(stockSlot)
	}
}

// rate is how many slots in a thousand have a trade.
func (s *series) rate() uint64 {
	switch s.asset.Class {
	case asset.Crypto, asset.Perpetual:
		return 8 + mix(s.key, 7)%60
	case asset.Option:
		contract := s.asset.Contract
		distance := math.Log(contract.Strike.InexactFloat64()/s.listed) / math.Max(0.02, s.path.volatility/4)
		return 1 + uint64(400*math.Exp(-distance*distance/2))
	default:
		return 500 + mix(s.key, 7)%500
	}
}

// raw returns the trade of the slot that begins at a moment.
func (s *series) raw(start, width int64, phase session.Phase, rate uint64) (raw, bool) {
	dice := mix(s.key+1, uint64(start))
	if dice>>20%perMille >= rate {
		return raw{}, false
	}
	moment := start + int64(dice%uint64(width/int64(Step)))*int64(Step)
	delay := int64(minTradeDelay) + int64(dice>>8)%int64(Step-minTradeDelay)
	trade := raw{at: moment + delay, moment: moment, dice: dice}
	s.dress(&trade, phase)
	return trade, true
}

// price returns a trade's price in nanos: for crypto, the side of the quote that the taker took.
func (s *series) price(trade raw) int64 {
	if s.pinned > 0 {
		return s.pinned
	}
	if s.asset.Class == asset.Equity {
		last, _, _ := s.stockLast(trade.moment)
		return last
	}
	prices := s.book(trade.moment)
	if s.asset.Pair == nil {
		return prices.last
	}
	if trade.takerSells() {
		return prices.bid
	}
	return prices.ask
}

// dress gives a trade its size and conditions.
func (s *series) dress(trade *raw, phase session.Phase) {
	dice := mix(trade.dice, 3)
	switch s.asset.Class {
	case asset.Crypto, asset.Perpetual:
		trade.size = s.coinUnits(1 + dice%1000*(dice>>16%1000)/200)
	case asset.Option:
		trade.size = int64(1 + dice%10*(dice>>16%4))
		trade.conditions = optionAuto
		if dice>>32%10 == 0 {
			trade.conditions = optionAuction
		}
	default:
		trade.size, trade.conditions = stockSize(dice, s.lot), regular
		switch odd := trade.size < 100; {
		case phase != session.Regular && odd:
			trade.conditions = extendedOdd
		case phase != session.Regular:
			trade.conditions = extended
		case odd:
			trade.conditions = oddLot
		case dice>>50%8 == 0:
			trade.conditions = sweep
		}
	}
}

// stockSize is an odd lot in three of ten trades, else some round lots: more of stocks that many trade.
func stockSize(dice, lot uint64) int64 {
	if dice%10 < 3 {
		return int64(1 + dice>>8%99)
	}
	lots := lot * (1 + dice>>8%8)
	if dice>>16%20 == 0 {
		lots *= 10
	}
	return int64(lots * 100)
}

func (r raw) takerSells() bool { return r.dice>>61&1 == 1 }

// coinUnits is how many units of the pair's base so many dollars buy.
func (s *series) coinUnits(dollars uint64) int64 {
	return max(1, int64(float64(dollars)/s.listed*math.Pow(10, float64(s.digits))))
}

func (s *series) coins(dollars uint64) decimal.Decimal { return sizeOf(s.coinUnits(dollars), s.digits) }

// trade makes a raw trade public.
func (s *series) trade(r raw) Trade {
	trade := Trade{
		Time: time.Unix(0, r.at).UTC(), Price: priceOf(s.price(r)), Size: sizeOf(r.size, s.digits),
		ID: uint64(r.at/int64(time.Second)) & (1<<47 - 1), Conditions: r.conditions,
	}
	switch s.asset.Class {
	case asset.Crypto, asset.Perpetual:
		trade.TakerSells = r.takerSells()
	case asset.Option:
		trade.Exchange = optionVenue(r.dice >> 40)
	default:
		trade.Exchange = venue(r.dice >> 40)
	}
	return trade
}

// onVenue reports whether a trade counts for a feed of one venue; empty: any.
func (s *series) onVenue(r raw, wanted string) bool {
	return wanted == "" || s.asset.Class != asset.Equity || venue(r.dice>>40) == wanted
}

// raws yields the trades of a span, in its direction.
func (s *series) raws(from, to int64, descending bool) iter.Seq[raw] {
	return func(yield func(raw) bool) {
		rate := s.rate()
		for start, phase := range s.cells(s.slot, from, to, descending) {
			trade, ok := s.raw(start, s.slot(phase), phase, rate)
			if ok && trade.at >= from && trade.at <= to && !yield(trade) {
				return
			}
		}
	}
}

// lastRaw is the last trade at or before a time, within a week.
func (s *series) lastRaw(at time.Time) (raw, bool) {
	const reach = 7 * 24 * time.Hour
	for trade := range s.raws(at.Add(-reach).UnixNano(), at.UnixNano(), true) {
		return trade, true
	}
	return raw{}, false
}

// cells yields the beginnings of the cells of time that touch a span while the asset trades, and the phase. The width of
// a cell depends on the phase.
func (s *series) cells(width func(session.Phase) int64, from, to int64, descending bool) iter.Seq2[int64, session.Phase] {
	if s.asset.Contract != nil {
		to = min(to, s.asset.Contract.LastTrade.UnixNano())
	}
	return func(yield func(int64, session.Phase) bool) {
		for first, last := from, to; first <= last; {
			at := first
			if descending {
				at = last
			}
			stretch := s.market.stretch(s.asset, time.Unix(0, at))
			begin, end := stretch.Start.UnixNano(), stretch.End.UnixNano()-1
			if stretch.Phase != session.Closed {
				wide := width(stretch.Phase)
				if !cellsOf(wide, max(first, begin), min(last, end), descending, func(start int64) bool { return yield(start, stretch.Phase) }) {
					return
				}
			}
			if first = end + 1; descending {
				first, last = from, begin-1
			}
		}
	}
}

// cellsOf calls yield for the cells that touch the span from first to last; false when yield wants no more.
func cellsOf(width, first, last int64, descending bool, yield func(start int64) bool) bool {
	lowest, highest, step := floorDivide(first, width), floorDivide(last, width), int64(1)
	at := lowest
	if descending {
		at, step = highest, -1
	}
	for ; at >= lowest && at <= highest; at += step {
		if !yield(at * width) {
			return false
		}
	}
	return true
}
