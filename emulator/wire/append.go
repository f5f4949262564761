// Package wire writes values the way Alpaca does: decimals in quotes, times with up to nine fractional digits, and
// its error bodies.
package wire

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// String appends text as a JSON string.
func String(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c > '~' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(text)
			if err != nil { // cannot happen: a string always marshals
				return append(dst, `""`...)
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, text...)
	return append(dst, '"')
}

// OptionalString appends text as a JSON string, or null when it is empty.
func OptionalString(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, "null"...)
	}
	return String(dst, text)
}

// Decimal appends d in quotes: the Trading API's form of money and quantities.
func Decimal(dst []byte, d decimal.Decimal) []byte {
	dst = append(dst, '"')
	dst = Number(dst, d)
	return append(dst, '"')
}

// OptionalDecimal appends d in quotes, or null for nil.
func OptionalDecimal(dst []byte, d *decimal.Decimal) []byte {
	if d == nil {
		return append(dst, "null"...)
	}
	return Decimal(dst, *d)
}

// Number appends d as a plain JSON number: the Market Data API's form of prices.
func Number(dst []byte, d decimal.Decimal) []byte {
	out, err := d.AppendText(dst)
	if err != nil { // cannot happen: every decimal has a text
		return append(dst, '0')
	}
	return out
}

// Time appends t in UTC with as many fractional digits as it has.
func Time(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// OptionalTime appends t, or null for the zero time.
func OptionalTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, "null"...)
	}
	return Time(dst, t)
}

// Bool appends true or false.
func Bool(dst []byte, b bool) []byte { return strconv.AppendBool(dst, b) }
