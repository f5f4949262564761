// Package market knows the grammar of symbols (stocks, OCC options and crypto pairs) and the exchange's calendar: its
// trading days, half days and the phases of a day. A symbol that passes can be put into a URL, a Redis key or an order;
// whether it exists is for Alpaca to say.
package market

import (
	"errors"
	"fmt"
)

// ErrSymbol is wrapped by every error of this package; the error's text names the rule that was broken and is meant
// for the caller.
var ErrSymbol = errors.New("malformed symbol")

// shown is how much of a malformed symbol an error repeats: the input may be a megabyte of anything.
const shown = 24

// refuse names the rule that symbol breaks.
func refuse(symbol, format string, args ...any) error {
	if len(symbol) > shown {
		return fmt.Errorf("%w %q...: %s", ErrSymbol, symbol[:shown], fmt.Sprintf(format, args...))
	}
	return fmt.Errorf("%w %q: %s", ErrSymbol, symbol, fmt.Sprintf(format, args...))
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }
func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// upper is strings.ToUpper for ASCII, without an allocation when there is nothing to do; other bytes stay, so that
// no letter of another alphabet turns into one of ours.
func upper(s string) string {
	for i := range len(s) {
		if isLower(s[i]) {
			return upperCopy(s)
		}
	}
	return s
}

func upperCopy(s string) string {
	changed := []byte(s)
	for i, c := range changed {
		if isLower(c) {
			changed[i] = c - 'a' + 'A'
		}
	}
	return string(changed)
}
