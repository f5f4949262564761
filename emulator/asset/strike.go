package asset

import (
	"iter"
	"math"

	"github.com/quagmt/udecimal"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// strikes is the ladder of an underlying's strike prices, in thousandths of a dollar. It hangs on the listed price, to
// which the walk returns, and not on the day's price: a contract that was listed once stays listed.
type strikes struct {
	step         int64
	near, far    [2]int64 // bounds of the fine part, and of the whole ladder
	coarseFactor int64
}

// strikesOf returns the ladder: every step within the moves of about a year, every other one as far as half and double
// the price.
func strikesOf(stock *Asset) strikes {
	price := stock.Price.InexactFloat64()
	step := strikeStep(price)
	reach := math.Max(0.25, stock.Volatility)
	level := func(factor float64) int64 {
		return max(1, int64(math.Round(price*factor*1000/float64(step)))) * step
	}
	near := [2]int64{level(math.Exp(-reach)), level(math.Exp(reach))}
	far := [2]int64{min(near[0], level(0.5)), max(near[1], level(2))}
	return strikes{step: step, near: near, far: far, coarseFactor: 2}
}

// strikeStep returns the distance of strikes in thousandths of a dollar, by the exchanges' usual intervals.
func strikeStep(price float64) int64 {
	for _, interval := range []struct {
		below float64
		step  int64
	}{{25, 500}, {75, 1000}, {200, 2500}, {500, 5000}, {1500, 10_000}, {10_000, 50_000}} {
		if price < interval.below {
			return interval.step
		}
	}
	return 100_000
}

// has reports whether a contract with this strike is listed. Weekly expirations have the fine part only.
func (s strikes) has(thousandths int64, monthly bool) bool {
	if thousandths%s.step != 0 {
		return false
	}
	if thousandths >= s.near[0] && thousandths <= s.near[1] {
		return true
	}
	coarse := thousandths%(s.step*s.coarseFactor) == 0
	return monthly && coarse && thousandths >= s.far[0] && thousandths <= s.far[1]
}

// all yields the ladder upwards.
func (s strikes) all(monthly bool) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for strike := s.far[0]; strike <= s.far[1]; strike += s.step {
			if s.has(strike, monthly) && !yield(strike) {
				return
			}
		}
	}
}

func fromThousandths(thousandths int64) decimal.Decimal {
	return udecimal.MustFromInt64(thousandths, 3)
}
