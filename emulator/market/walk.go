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
// beyond it. Octaves longer than a minute are evaluated at whole minutes and joined by straight lines, which makes
// neighbouring moments cheap: a day's bar looks at every trade of the day.
const (
	octaves     = 28 // the shortest has the period of a Step
	fineOctaves = 8  // up to 32 seconds
	yearSeconds = 365 * 24 * 3600
)

// amplitudes are the octaves' sizes for a volatility of 1.
type amplitudes [octaves]float64

func newAmplitudes() amplitudes {
	var all amplitudes
	for octave := range all {
		period := float64(Step) * math.Exp2(float64(octave))
		all[octave] = octaveAmplitude(math.Sqrt(period/1e9/yearSeconds), octave)
	}
	return all
}

// octaveAmplitude damps the longest octaves, so that a listed price stays recognizable.
func octaveAmplitude(amplitude float64, octave int) float64 {
	const damped = 22 // from about twelve days on
	if octave <= damped {
		return amplitude
	}
	return amplitude / math.Sqrt(math.Exp2(float64(octave-damped)))
}

// path follows one symbol's walk. It remembers what neighbouring moments share, so it belongs to one goroutine.
type path struct {
	amplitudes *amplitudes
	key        uint64
	volatility float64

	minute       int64 // what left and right belong to
	left, right  float64
	level        float64 // the factor at left
	cells        [fineOctaves]int64
	leftLattice  [fineOctaves]float64
	rightLattice [fineOctaves]float64
}

func newPath(all *amplitudes, key uint64, volatility float64) path {
	p := path{amplitudes: all, key: key, volatility: volatility, minute: math.MinInt64}
	for octave := range p.cells {
		p.cells[octave] = math.MinInt64
	}
	return p
}

// stepsPerMinute is how many steps a minute has. All times below are numbers of steps since 1970: then the cell of an
// octave is a shift away.
const stepsPerMinute = int64(time.Minute / Step)

// factor returns by what the price stands above or below its listed value at a step.
func (p *path) factor(step int64) float64 {
	minute := floorDivide(step, stepsPerMinute)
	if minute != p.minute {
		if minute == p.minute+1 {
			p.left = p.right
		} else {
			p.left = p.coarse(minute)
		}
		p.right, p.minute = p.coarse(minute+1), minute
		p.level = math.Exp(p.volatility * p.left)
	}
	position := float64(step-minute*stepsPerMinute) / float64(stepsPerMinute)
	return p.level * exponential(p.volatility*((p.right-p.left)*position+p.fine(step)))
}

// exponential is math.Exp, faster for the small moves within a minute.
func exponential(x float64) float64 {
	if x > 0.02 || x < -0.02 {
		return math.Exp(x)
	}
	return 1 + x*(1+x/2*(1+x/3*(1+x/4)))
}

// coarse sums the long octaves at a whole minute.
func (p *path) coarse(minute int64) float64 {
	step := minute * stepsPerMinute
	sum := 0.0
	for octave := fineOctaves; octave < octaves; octave++ {
		cell, key := step>>octave, p.octaveKey(octave)
		sum += p.amplitudes[octave] * blend(lattice(key, cell), lattice(key, cell+1), step, octave)
	}
	return sum
}

// fine sums the short octaves.
func (p *path) fine(step int64) float64 {
	sum := 0.0
	for octave := range fineOctaves {
		cell := step >> octave
		if cell != p.cells[octave] {
			key := p.octaveKey(octave)
			p.leftLattice[octave], p.rightLattice[octave] = lattice(key, cell), lattice(key, cell+1)
			p.cells[octave] = cell
		}
		sum += p.amplitudes[octave] * blend(p.leftLattice[octave], p.rightLattice[octave], step, octave)
	}
	return sum
}

func (p *path) octaveKey(octave int) uint64 { return p.key + uint64(octave)*0x9E3779B97F4A7C15 }

// blend goes smoothly from left to right as a step goes through its cell of an octave.
func blend(left, right float64, step int64, octave int) float64 {
	position := float64(step&(1<<octave-1)) / float64(int64(1)<<octave)
	return left + (right-left)*position*position*(3-2*position)
}

// lattice is a random value in [-1, 1].
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

// floorDivide divides towards minus infinity, so that times before 1970 lie in cells of the same width.
func floorDivide(dividend, divisor int64) int64 {
	quotient := dividend / divisor
	if dividend%divisor < 0 {
		quotient--
	}
	return quotient
}
