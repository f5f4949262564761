package market

import "strings"

// The parts of a stock symbol. Exchanges give a root of up to five letters; six leaves room for test symbols. The
// suffix tells a class (BRK.B), unit (.U), right (.RT), warrant (.WS), when-issued (.WI) or preferred share (.PRA).
const (
	maxStockRoot   = 6
	maxStockSuffix = 3
	maxStock       = maxStockRoot + 1 + maxStockSuffix + 2
)

// ParseStock returns the canonical form of a stock or ETF symbol, which is upper case. The grammar is
//
//	[A-Z][A-Z0-9]{0,5}([.-][A-Z]{1,3}(\.[A-Z])?)?
//
// as in AAPL, BRK.B, BAC.PRL and ABC.WS.A. Lower case is accepted. The error wraps ErrSymbol.
func ParseStock(symbol string) (string, error) {
	if symbol == "" {
		return "", refuse(symbol, "it is empty")
	}
	if len(symbol) > maxStock {
		return "", refuse(symbol, "it has %d characters, a stock symbol has at most %d", len(symbol), maxStock)
	}
	canonical := upper(symbol)
	root := canonical
	if at := suffixAt(canonical); at >= 0 {
		root = canonical[:at]
		if err := checkStockSuffix(symbol, canonical[at+1:]); err != nil {
			return "", err
		}
	}
	if err := checkStockRoot(symbol, root); err != nil {
		return "", err
	}
	return canonical, nil
}

// suffixAt is strings.IndexAny(s, ".-"), which costs more than the rest of the parsing on the path of a cached quote.
func suffixAt(s string) int {
	for i := range len(s) {
		if s[i] == '.' || s[i] == '-' {
			return i
		}
	}
	return -1
}

func checkStockRoot(symbol, root string) error {
	if root == "" || !isUpper(root[0]) {
		return refuse(symbol, "it must start with a letter")
	}
	for i := range len(root) {
		if !isUpper(root[i]) && !isDigit(root[i]) {
			return refuse(symbol, "only letters, digits and one '.' or '-' before a suffix are allowed")
		}
	}
	if len(root) > maxStockRoot {
		return refuse(symbol, "at most %d characters may stand before '.' or '-'", maxStockRoot)
	}
	return nil
}

// checkStockSuffix checks what follows the first '.' or '-': one to three letters, and a class letter after another
// '.' for warrants that have one.
func checkStockSuffix(symbol, suffix string) error {
	kind, class, found := strings.Cut(suffix, ".")
	if len(kind) == 0 || len(kind) > maxStockSuffix || !allUpper(kind) {
		return refuse(symbol, "after '.' or '-' stand 1 to %d letters", maxStockSuffix)
	}
	if found && (len(class) != 1 || !allUpper(class)) {
		return refuse(symbol, "after a second '.' stands one letter")
	}
	return nil
}

func allUpper(s string) bool {
	for i := range len(s) {
		if !isUpper(s[i]) {
			return false
		}
	}
	return true
}
