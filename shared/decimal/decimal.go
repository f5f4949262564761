// Package decimal is the only numeric type that prices, quantities and money have in this project.
//
// It is a thin face over udecimal: exact, at most 19 digits after the point, immutable, and without an
// initialisation cost (docs/decisions/0002-decimal-library.md has the measurements).
package decimal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/quagmt/udecimal"
)

// Decimal is an exact decimal number. The zero value is 0. It marshals to a quoted JSON string, which is
// how Alpaca's Trading API writes money and quantities, and unmarshals from a JSON string or number.
type Decimal = udecimal.Decimal

// Limits of what Parse accepts. They are far beyond any price or quantity and keep a hostile "1e999999999"
// from costing memory.
const (
	maxLength   = 64
	maxExponent = 30
)

// ErrSyntax is returned for text that is not a decimal number within the package's limits.
var ErrSyntax = errors.New("not a decimal number")

// Parse reads plain ("-12.50") and exponent ("1e-05") notation; the latter because many JSON encoders write
// small numbers that way. Text longer than 64 bytes, exponents beyond ±30, and more than 19 digits after the
// point are ErrSyntax.
func Parse(text string) (Decimal, error) {
	if len(text) > maxLength {
		return Decimal{}, fmt.Errorf("%w: longer than %d characters", ErrSyntax, maxLength)
	}
	plain, err := plainNotation(text)
	if err != nil {
		return Decimal{}, err
	}
	value, err := udecimal.Parse(plain)
	if err != nil {
		return Decimal{}, fmt.Errorf("%w: %q", ErrSyntax, text)
	}
	return value, nil
}

// MustParse is Parse for constants in code and tests; it panics on bad text.
func MustParse(text string) Decimal {
	value, err := Parse(text)
	if err != nil {
		panic(err) //nolint:forbidigo // constants only: a bad one must not survive the first run
	}
	return value
}

// FromInt returns n as a Decimal.
func FromInt(n int64) Decimal {
	return udecimal.MustFromInt64(n, 0)
}

// Digits returns how many digits d has after the point, trailing zeros left out.
func Digits(d Decimal) int {
	_, fraction, _ := strings.Cut(d.String(), ".")
	return len(fraction)
}

// plainNotation rewrites "12.5e-3" as "0.0125" and leaves everything else as it is.
func plainNotation(text string) (string, error) {
	mantissa, exponentText, found := strings.Cut(strings.ToLower(text), "e")
	if !found {
		return text, nil
	}
	exponent, err := strconv.Atoi(exponentText)
	if err != nil || exponent > maxExponent || exponent < -maxExponent {
		return "", fmt.Errorf("%w: %q has an exponent beyond ±%d", ErrSyntax, text, maxExponent)
	}
	sign := ""
	if strings.HasPrefix(mantissa, "-") {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole == "" || strings.ContainsAny(whole+fraction, "+-.") {
		return "", fmt.Errorf("%w: %q", ErrSyntax, text)
	}
	point := len(whole) + exponent
	digits := whole + fraction
	if point <= 0 {
		digits = strings.Repeat("0", 1-point) + digits
		point = 1
	}
	if point > len(digits) {
		digits += strings.Repeat("0", point-len(digits))
	}
	if point == len(digits) {
		return sign + digits, nil
	}
	return sign + digits[:point] + "." + strings.TrimRight(digits[point:], "0"), nil
}
