package alpaca

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// A decimal holds at most 19 digits after the point. Alpaca's ratios and volume-weighted prices can be printed with
// more, or with an exponent, and one such digit must not make a whole list of positions unreadable.
const maxFractionDigits = 19

// decimalPattern is a function and not a variable because compiling costs start-up time and is hardly ever needed.
// It skips client order IDs, which are the only free text of Alpaca's objects that may look like a number.
func decimalPattern() *regexp.Regexp {
	return regexp.MustCompile(`"client_order_id"\s*:\s*"(?:[^"\\]|\\.)*"|([:\[,]\s*"?)(-?[0-9]{1,40}(?:\.[0-9]{1,60})?(?:[eE][+-]?[0-9]{1,2})?)("?\s*[,}\]])`)
}

// shortenDecimals rewrites the decimals of a JSON body that udecimal refuses, rounded to 19 digits after the point.
// It returns nil when there is none.
func shortenDecimals(body []byte) []byte {
	changed := false
	pattern := decimalPattern()
	result := pattern.ReplaceAllFunc(body, func(match []byte) []byte {
		parts := pattern.FindSubmatch(match)
		short, ok := shorten(string(parts[2]))
		if !ok {
			return match
		}
		changed = true
		return append(append(append([]byte(nil), parts[1]...), short...), parts[3]...)
	})
	if !changed {
		return nil
	}
	return result
}

// shorten returns the plain notation of a number that has an exponent or too many digits, and false for any other.
func shorten(text string) (string, bool) {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(text), "e")
	_, fraction, _ := strings.Cut(mantissa, ".")
	if mantissa == "" || (!scientific && len(fraction) <= maxFractionDigits) {
		return "", false
	}
	if n, err := strconv.Atoi(exponent); scientific && (err != nil || n > 30 || n < -60) {
		return "", false
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		return "", false
	}
	plain := exact.FloatString(maxFractionDigits)
	return strings.TrimRight(strings.TrimRight(plain, "0"), "."), true
}
