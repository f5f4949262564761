package market

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// The fixed end of an OCC option symbol: YYMMDD, C or P, and the strike in thousandths of a dollar in eight digits.
const (
	optionDate   = 6
	optionStrike = 8
	optionTail   = optionDate + 1 + optionStrike
	maxRoot      = 6
	strikeScale  = 3
)

// Option is an OCC option symbol taken apart.
type Option struct {
	// Symbol is the canonical form without padding, as Alpaca writes it: AAPL250117C00150000.
	Symbol string
	// Root is the option root: AAPL, SPXW, BRKB, or AAPL1 for an adjusted contract.
	Root string
	// Expiration is the last trading day, at midnight UTC.
	Expiration time.Time
	// Call is true for a call, false for a put.
	Call bool
	// Strike is the strike price in USD.
	Strike decimal.Decimal
}

// ParseOption reads an OCC option symbol without padding; lower case is accepted. The error wraps ErrSymbol.
func ParseOption(symbol string) (Option, error) {
	if len(symbol) <= optionTail || len(symbol) > maxRoot+optionTail {
		return Option{}, refuse(symbol, "an option symbol has %d to %d characters: a root of 1 to %d, YYMMDD, C or P, and the strike in 8 digits",
			optionTail+1, maxRoot+optionTail, maxRoot)
	}
	canonical := upper(symbol)
	at := len(canonical) - optionTail
	option := Option{Symbol: canonical, Root: canonical[:at]}
	if !validRoot(option.Root) {
		return Option{}, refuse(symbol, "the root must be letters and digits, starting with a letter")
	}
	var err error
	if option.Expiration, err = time.Parse("060102", canonical[at:at+optionDate]); err != nil {
		return Option{}, refuse(symbol, "%q is not an expiration date YYMMDD", canonical[at:at+optionDate])
	}
	switch canonical[at+optionDate] {
	case 'C':
		option.Call = true
	case 'P':
	default:
		return Option{}, refuse(symbol, "after the expiration date stands C or P")
	}
	if option.Strike, err = parseStrike(canonical[at+optionDate+1:]); err != nil {
		return Option{}, refuse(symbol, "the strike must be 8 digits, in thousandths of a dollar, and above 0")
	}
	return option, nil
}

func validRoot(root string) bool {
	for i := range len(root) {
		if !isUpper(root[i]) && (i == 0 || !isDigit(root[i])) {
			return false
		}
	}
	return true
}

func parseStrike(digits string) (decimal.Decimal, error) {
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return decimal.Decimal{}, ErrSymbol
		}
	}
	whole := len(digits) - strikeScale
	strike, err := decimal.Parse(digits[:whole] + "." + digits[whole:])
	if err != nil {
		return decimal.Decimal{}, err
	}
	if strike.IsZero() {
		return decimal.Decimal{}, ErrSymbol
	}
	return strike, nil
}
