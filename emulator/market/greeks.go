package market

import (
	"math"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
)

// Greeks are the sensitivities of an option's price: delta and gamma to a dollar of the underlying, theta to a day,
// vega to a point of volatility, rho to a point of interest.
type Greeks struct {
	Delta, Gamma, Rho, Theta, Vega float64
}

// maxIterations bounds the volatility solver, as Alpaca's.
const maxIterations = 100

// Greeks returns an option's implied volatility and greeks, from the middle of its quote. They are missing, as at
// Alpaca, when one side of the quote is 0, the contract expires today, or no volatility explains the price.
func (m *Market) Greeks(a *asset.Asset, at time.Time) (greeks Greeks, impliedVolatility float64, ok bool) {
	if a.Contract == nil || a.Contract.ExpiresOn(at) || a.Contract.Expired(at) {
		return Greeks{}, 0, false
	}
	s := m.series(a)
	quote := m.Quote(a, at)
	if !quote.BidPrice.IsPos() || !quote.AskPrice.IsPos() {
		return Greeks{}, 0, false
	}
	middle := (quote.BidPrice.InexactFloat64() + quote.AskPrice.InexactFloat64()) / 2
	contract := s.terms(quote.Time.UnixNano())
	contract.volatility, ok = contract.solve(middle)
	if !ok {
		return Greeks{}, 0, false
	}
	return contract.greeks(), contract.volatility, true
}

// terms are the inputs of the Black-Scholes formula.
type terms struct {
	call                                  bool
	spot, strike, years, rate, volatility float64
}

func (t terms) d1() float64 {
	deviation := t.volatility * math.Sqrt(t.years)
	return (math.Log(t.spot/t.strike) + (t.rate+t.volatility*t.volatility/2)*t.years) / deviation
}

// value is the Black-Scholes price.
func (t terms) value() float64 {
	d1 := t.d1()
	d2 := d1 - t.volatility*math.Sqrt(t.years)
	discounted := t.strike * math.Exp(-t.rate*t.years)
	if t.call {
		return t.spot*normal(d1) - discounted*normal(d2)
	}
	return discounted*normal(-d2) - t.spot*normal(-d1)
}

func (t terms) greeks() Greeks {
	root := math.Sqrt(t.years)
	d1 := t.d1()
	d2 := d1 - t.volatility*root
	discounted := t.strike * math.Exp(-t.rate*t.years)
	bell := density(d1)
	decay := -t.spot * bell * t.volatility / (2 * root)
	result := Greeks{Gamma: bell / (t.spot * t.volatility * root), Vega: t.spot * bell * root / 100}
	if t.call {
		result.Delta = normal(d1)
		result.Theta = (decay - t.rate*discounted*normal(d2)) / 365
		result.Rho = discounted * t.years * normal(d2) / 100
		return result
	}
	result.Delta = normal(d1) - 1
	result.Theta = (decay + t.rate*discounted*normal(-d2)) / 365
	result.Rho = -discounted * t.years * normal(-d2) / 100
	return result
}

// solve finds the volatility at which the contract is worth a price, by halving the interval that holds it.
func (t terms) solve(price float64) (float64, bool) {
	const lowest, highest, precision = 0.0001, 10, 1e-7
	at := func(volatility float64) float64 {
		t.volatility = volatility
		return t.value()
	}
	low, high := lowest, float64(highest)
	if at(low) > price || at(high) < price {
		return 0, false
	}
	for range maxIterations {
		middle := (low + high) / 2
		if at(middle) < price {
			low = middle
		} else {
			high = middle
		}
		if high-low < precision {
			break
		}
	}
	found := (low + high) / 2
	return found, found > 2*lowest
}

// normal is the distribution function of the standard normal distribution.
func normal(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

func density(x float64) float64 { return math.Exp(-x*x/2) / math.Sqrt(2*math.Pi) }
