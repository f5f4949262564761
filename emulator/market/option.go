package market

import (
	"math"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
)

// interest is the riskless rate of a year. With 0 an American option without dividends is worth what a European one is,
// so that no contract is quoted below what exercising it brings.
const interest = 0

// smile is an underlying's implied volatility as a function of strike and time.
type smile struct {
	base  float64 // at the money
	skew  float64 // how much more a lower strike has
	curve float64 // how much more both far ends have
}

// newSmile draws a smile around the volatility with which the underlying walks.
func newSmile(key uint64, volatility float64) smile {
	dice := mix(key, 0x5311E)
	return smile{
		base: volatility * (0.92 + float64(dice%200)/1000), skew: 0.05 + float64(dice>>16%100)/1000,
		curve: 0.05 + float64(dice>>32%100)/2000,
	}
}

// volatility returns the implied volatility; moneyness is measured in standard deviations.
func (s smile) volatility(spot, strike, years float64) float64 {
	deviations := math.Log(strike/spot) / (s.base * math.Sqrt(math.Max(years, 1.0/52)))
	deviations = math.Min(5, math.Max(-5, deviations))
	return s.base * (1 - s.skew*deviations/2 + s.curve*deviations*deviations/2)
}

// yearsTo is the time to expiration; at least a minute, so that a price exists to the end.
func yearsTo(expiration time.Time, moment int64) float64 {
	left := expiration.Sub(time.Unix(0, moment))
	return math.Max(left.Seconds(), 60) / yearSeconds
}

// optionTick is a cent below three dollars and five from there on, as exchanges outside the penny program have it.
func optionTick(price int64) int64 {
	if price < 3*dollar {
		return cent
	}
	return 5 * cent
}

// optionBook quotes around the Black-Scholes value. Nobody bids for what is worth less than half a tick.
func (s *series) optionBook(moment int64) book {
	contract := s.asset.Contract
	value := s.terms(moment).value()
	dice := s.quoteDice(moment)
	half := math.Max(0.01, value*(0.004+float64(dice>>48%80)/10_000))
	tick := optionTick(int64(value * dollar))
	bid := int64(math.Floor((value-half/2)*dollar/float64(tick))) * tick
	ask := int64(math.Ceil((value+half/2)*dollar/float64(tick))) * tick
	if contract.Type == asset.Put { // a put is never worth more than its strike
		bid = min(bid, nanosOf(contract.Strike)-tick)
	}
	bid, ask = max(0, bid), max(tick, ask)
	last := ask
	if bid > 0 && dice&1 == 0 {
		last = bid
	}
	return book{bid: bid, ask: max(ask, bid+tick), last: last}
}

// terms is the contract seen from a moment.
func (s *series) terms(moment int64) terms {
	contract := s.asset.Contract
	spot, strike, years := s.spot(moment), contract.Strike.InexactFloat64(), yearsTo(contract.Expiration, moment)
	return terms{
		call: contract.Type == asset.Call, spot: spot, strike: strike, years: years, rate: interest,
		volatility: s.smile.volatility(spot, strike, years),
	}
}
