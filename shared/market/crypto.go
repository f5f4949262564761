package market

import "strings"

// maxCurrency bounds each side of a pair; the longest that Alpaca lists has five letters.
const maxCurrency = 10

// Pair is a crypto pair, BTC/USD. The zero value is no pair.
type Pair struct {
	Base, Quote string
}

// String is the form of the market-data API and of orders: BTC/USD.
func (p Pair) String() string { return p.Base + "/" + p.Quote }

// Joined is the form of positions and of older clients: BTCUSD.
func (p Pair) Joined() string { return p.Base + p.Quote }

// ParsePair reads BTC/USD, and BTCUSD when it ends in a currency that Alpaca quotes in. Lower case is accepted; a
// lower-case x behind an upper-case base is kept, because Alpaca's pattern is ^[A-Z]+x?/[A-Z]+$. The error wraps
// ErrSymbol.
func ParsePair(symbol string) (Pair, error) {
	if symbol == "" {
		return Pair{}, refuse(symbol, "it is empty")
	}
	if len(symbol) > 2*maxCurrency+1 {
		return Pair{}, refuse(symbol, "each side of a crypto pair has at most %d letters", maxCurrency)
	}
	base, quote, found := strings.Cut(symbol, "/")
	if !found {
		base, quote, found = splitJoined(symbol)
	}
	if !found {
		return Pair{}, refuse(symbol, "a crypto pair is BASE/QUOTE, for example BTC/USD")
	}
	pair := Pair{Base: upperBase(base), Quote: upper(quote)}
	if !validCurrency(strings.TrimSuffix(pair.Base, "x")) || !validCurrency(pair.Quote) || len(pair.Base) > maxCurrency {
		return Pair{}, refuse(symbol, "each side of a crypto pair has 1 to %d letters", maxCurrency)
	}
	if pair.Base == pair.Quote {
		return Pair{}, refuse(symbol, "the two sides of a pair differ")
	}
	return pair, nil
}

// splitJoined cuts off a currency that Alpaca quotes in, the longer ones first: BTCUSDC is BTC/USDC.
func splitJoined(symbol string) (base, quote string, found bool) {
	for _, quote := range []string{"USDC", "USDT", "USD", "BTC"} {
		at := len(symbol) - len(quote)
		if at > 0 && upper(symbol[at:]) == quote {
			return symbol[:at], quote, true
		}
	}
	return "", "", false
}

// upperBase keeps the lower-case x of a base that is upper case otherwise.
func upperBase(base string) string {
	if rest, found := strings.CutSuffix(base, "x"); found && rest != "" && allUpper(rest) {
		return base
	}
	return upper(base)
}

func validCurrency(name string) bool {
	return name != "" && len(name) <= maxCurrency && allUpper(name)
}
