package market

import (
	"math"

	"github.com/quagmt/udecimal"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Prices are computed in nanos, billionths of a dollar, and leave the package as decimals.
const (
	nano      = 1
	tenth     = 100_000_000
	cent      = tenth / 10
	hundredth = cent / 100
	dollar    = 10 * tenth
	places    = 9
)

// priceOf returns a price in nanos as a decimal, with no more places than it needs in nearly all cases.
func priceOf(nanos int64) decimal.Decimal {
	if nanos%cent == 0 {
		return udecimal.MustFromInt64(nanos/cent, 2)
	}
	if nanos%hundredth == 0 {
		return udecimal.MustFromInt64(nanos/hundredth, 4)
	}
	return udecimal.MustFromInt64(nanos, places)
}

// nanosOf returns a price in nanos; digits beyond the ninth are lost, prices beyond nine billion become the largest.
func nanosOf(price decimal.Decimal) int64 {
	nanos, err := price.Mul64(dollar).Int64()
	if err != nil {
		return math.MaxInt64
	}
	return nanos
}

// toNanos brings a price to a multiple of the tick, at least one tick.
func toNanos(price float64, tick int64) int64 {
	return max(1, int64(price*dollar/float64(tick)+0.5)) * tick
}

// sizeOf returns so many units of 10 to the minus digits.
func sizeOf(units int64, digits uint8) decimal.Decimal { return udecimal.MustFromInt64(units, digits) }
