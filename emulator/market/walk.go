package market

import (
	"math"
	"math/bits"
	"time"
)

// The walk is a sum of smooth noises, one an octave, from a quarter of a second to about two years. Each is a pure
// function of (seed, symbol, time), so any moment of any symbol costs the same to look up, nothing runs while nobody
// asks, and two runs with one seed see one market. With amplitudes that grow with the square root of the period, the
// sum moves like a geometric Brownian motion over every horizon up to the longest period and returns to the listed price
// beyond it.
const (
	shortestPeriod = 250 * time.Millisecond
	octaves        = 28
	yearSeconds    = 365 * 24 * 3600
)

// walk returns the factor by which the price stands above or below its listed value at a time.
func walk(key uint64, volatility float64, at time.Time) float64 {
	nanoseconds := at.UnixNano()
	sum := 0.0
	period := int64(shortestPeriod)
	for octave := range octaves {
		amplitude := volatility * math.Sqrt(float64(period)/1e9/yearSeconds)
		sum += octaveAmplitude(amplitude, octave) * noise(key+uint64(octave)*0x9E3779B97F4A7C15, nanoseconds, period)
		period *= 2
	}
	return math.Exp(sum)
}

// octaveAmplitude damps the longest octaves, so that a listed price stays recognisable.
func octaveAmplitude(amplitude float64, octave int) float64 {
	const damped = 22 // from about twelve days on
	if octave <= damped {
		return amplitude
	}
	return amplitude / math.Sqrt(math.Exp2(float64(octave-damped)))
}

// noise interpolates smoothly between random values in [-1, 1] at multiples of the period.
func noise(key uint64, nanoseconds, period int64) float64 {
	cell := nanoseconds / period
	position := float64(nanoseconds-cell*period) / float64(period)
	left, right := lattice(key, cell), lattice(key, cell+1)
	blend := position * position * (3 - 2*position)
	return left + (right-left)*blend
}

func lattice(key uint64, cell int64) float64 {
	return float64(int64(mix(key, uint64(cell)))) / (1 << 63)
}

// mix hashes two words into one (wyhash's multiply and fold).
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a^0xA0761D6478BD642F, b^0xE7037ED1A0B428DB)
	folded := high ^ low
	high, low = bits.Mul64(folded^0x8EBC6AF09C88C6E3, a+0x589965CC75374CC3)
	return high ^ low
}
