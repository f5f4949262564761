package market

import (
	"math"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
)

// series follows the market of one asset along time. It belongs to one goroutine.
type series struct {
	market *Market
	asset  *asset.Asset
	key    uint64
	path   path

	listed    float64 // price around which the walk runs; of the underlying for an option
	tick      int64
	digits    uint8     // decimal places of sizes
	lot       uint64    // how many round lots a stock's trade has at least
	pinned    int64     // nanos; 0: not pinned
	recording Recording // instead of the walk

	spotPinned    int64 // of an option's underlying
	spotRecording Recording
	smile         smile
}

func (m *Market) series(a *asset.Asset) series {
	s := series{market: m, asset: a, key: m.key(a.Symbol)}
	s.lot = 1 + mix(s.key, 11)%6
	s.pinned, s.recording = m.overrides(a.Symbol)
	walker := a
	var walkKey uint64
	switch {
	case a.Contract != nil:
		walker = a.Contract.Underlying
		walkKey = m.key(walker.Walk())
		s.spotPinned, s.spotRecording = m.overrides(walker.Symbol)
		s.smile = newSmile(walkKey, walker.Volatility)
	case a.Pair != nil:
		walkKey = m.pairKey(a.Pair)
		s.tick, s.digits = coinTick(a), coinDigits(a)
	default:
		walkKey = m.key(a.Walk())
	}
	s.listed = walker.Price.InexactFloat64()
	s.path = newPath(&m.amplitudes, walkKey, walker.Volatility)
	return s
}

// pairKey makes pairs of one coin with the dollar, or with coins that are worth one, move together.
func (m *Market) pairKey(pair *asset.Pair) uint64 {
	if pair.Quote == "USD" || pair.Quote == "USDC" || pair.Quote == "USDT" {
		return m.key(pair.Base)
	}
	return m.key(pair.Base + "/" + pair.Quote)
}

// key hashes a symbol with the seed (FNV-1a).
func (m *Market) key(symbol string) uint64 {
	hash := uint64(0xCBF29CE484222325)
	for i := range len(symbol) {
		hash = (hash ^ uint64(symbol[i])) * 0x100000001B3
	}
	return mix(hash, m.seed)
}

// coinTick is the pair's price increment, but no finer than eight significant digits.
func coinTick(a *asset.Asset) int64 {
	exponent := math.Floor(math.Log10(a.Price.InexactFloat64())) - 7
	return max(nanosOf(a.Pair.PriceIncrement), int64(math.Pow(10, exponent)*dollar), nano)
}

// coinDigits is how many places sizes have: down to about a cent's worth.
func coinDigits(a *asset.Asset) uint8 {
	return uint8(min(9, max(0, 2+math.Ceil(math.Log10(a.Price.InexactFloat64())))))
}

// book is what a step's prices are, in nanos.
type book struct{ bid, ask, last int64 }

// book returns the prices of a step.
func (s *series) book(moment int64) book {
	if s.pinned > 0 {
		tick := s.tickAt(s.pinned)
		return book{s.pinned - tick, s.pinned + tick, s.pinned}
	}
	switch s.asset.Class {
	case asset.Option:
		return s.optionBook(moment)
	case asset.Crypto, asset.Perpetual:
		return s.coinBook(moment)
	default:
		return s.stockBook(moment)
	}
}

// stockLast returns the price of a stock's trade in a step, with what it was rounded from and to.
func (s *series) stockLast(moment int64) (last int64, value float64, tick int64) {
	value = s.listed * s.path.factor(moment/int64(Step))
	if value < 1 {
		return toNanos(value, hundredth), value, hundredth
	}
	return toNanos(value, cent), value, cent
}

func (s *series) stockBook(moment int64) book {
	last, value, tick := s.stockLast(moment)
	// Dear stocks have a wider spread: about half a basis point of the price, at least one tick.
	dice, width := s.quoteDice(moment), 1+uint64(value/100)
	return book{
		bid: max(tick, last-tick*int64(dice>>48%width)), ask: last + tick*int64(1+dice>>56%width), last: last,
	}
}

func (s *series) coinBook(moment int64) book {
	value := s.listed * s.path.factor(moment/int64(Step))
	last := toNanos(value, s.tick)
	dice := s.quoteDice(moment)
	spread := func(dice uint64) int64 { // 1 to 6 basis points
		return max(1, int64(value*dollar*(1+float64(dice%50)/10)/10_000)/s.tick) * s.tick
	}
	return book{bid: max(s.tick, last-spread(dice>>40)), ask: last + spread(dice>>52), last: last}
}

// spot is what an option delivers, USD a share of the contract: its underlying's price, or what an adjusted one is made of.
func (s *series) spot(moment int64) float64 {
	underlying := s.underlying(moment)
	contract := s.asset.Contract
	if contract == nil || !contract.Adjusted {
		return underlying
	}
	sum := 0.0
	for _, part := range contract.Deliverables {
		amount := part.Amount.InexactFloat64()
		switch part.Asset {
		case nil:
			sum += amount
		case contract.Underlying:
			sum += amount * underlying
		default:
			sum += amount * s.market.Price(part.Asset, time.Unix(0, moment)).InexactFloat64()
		}
	}
	return sum / asset.Multiplier
}

// underlying is the price of an option's underlying, USD.
func (s *series) underlying(moment int64) float64 {
	if s.spotPinned > 0 {
		return float64(s.spotPinned) / dollar
	}
	if s.spotRecording != nil {
		return s.spotRecording.Price(time.Unix(0, moment)).InexactFloat64()
	}
	return s.listed * s.path.factor(moment/int64(Step))
}

// tickAt is the smallest step of a price.
func (s *series) tickAt(price int64) int64 {
	switch {
	case s.asset.Class == asset.Option:
		return optionTick(price)
	case s.asset.Pair != nil:
		return s.tick
	case price < dollar:
		return hundredth
	default:
		return cent
	}
}
