package market

import "math/bits"

// wide is a sum of products of prices and sizes, which outgrow 64 bits. Sums of it do not depend on their order.
type wide struct{ high, low uint64 }

// multiply returns the product of two numbers that are not negative.
func multiply(a, b int64) wide {
	high, low := bits.Mul64(uint64(a), uint64(b))
	return wide{high, low}
}

func (w *wide) add(other wide) {
	var carry uint64
	w.low, carry = bits.Add64(w.low, other.low, 0)
	w.high, _ = bits.Add64(w.high, other.high, carry)
}

// divide returns w by a positive divisor, cut to a whole number; 0 when it does not fit.
func (w *wide) divide(divisor int64) int64 {
	if w.high >= uint64(divisor) {
		return 0
	}
	quotient, _ := bits.Div64(w.high, w.low, uint64(divisor))
	return int64(quotient)
}
