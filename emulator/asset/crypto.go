package asset

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

//go:embed crypto.tsv
var pairs string

// Pair is what only crypto has.
type Pair struct {
	Base, Quote       string          // BTC and USD in BTC/USD
	MinOrderSize      decimal.Decimal // in units of Base; about one dollar's worth
	MinTradeIncrement decimal.Decimal // in units of Base
	PriceIncrement    decimal.Decimal // in units of Quote
}

// parsePair reads symbol, price, volatility in percent, price increment and name, separated by tabs.
func parsePair(line string) (*Asset, error) {
	columns := strings.Split(line, "\t")
	if len(columns) != 5 {
		return nil, fmt.Errorf("%q: want 5 columns, found %d", line, len(columns))
	}
	base, quote, ok := strings.Cut(columns[0], "/")
	if !ok {
		return nil, fmt.Errorf("%q: want BASE/QUOTE", columns[0])
	}
	listed, err := row(columns[0], columns[1], columns[2], columns[4])
	if err != nil {
		return nil, err
	}
	increment, err := decimal.Parse(columns[3])
	if err != nil {
		return nil, fmt.Errorf("price increment of %s: %w", columns[0], err)
	}
	listed.Class, listed.Exchange = Crypto, "CRYPTO"
	smallest, err := minOrderSize(listed.Price, quote)
	if err != nil {
		return nil, fmt.Errorf("minimum order size of %s: %w", columns[0], err)
	}
	listed.Pair = &Pair{
		Base: base, Quote: quote, MinOrderSize: smallest,
		MinTradeIncrement: decimal.MustParse("0.000000001"), PriceIncrement: increment,
	}
	return listed, nil
}

// minOrderSize is about one dollar's worth, at most nine digits after the point (as captured of Alpaca's list); pairs
// against Bitcoin have a fixed one.
func minOrderSize(price decimal.Decimal, quote string) (decimal.Decimal, error) {
	if quote == "BTC" {
		return decimal.MustParse("0.000000001"), nil
	}
	size, err := decimal.FromInt(1).Div(price)
	if err != nil {
		return decimal.Decimal{}, fmt.Errorf("1 by %s: %w", price, err)
	}
	return size.RoundAwayFromZero(9), nil
}

// perpetualOf is the perpetual future on a pair's base, for example BTC-PERP on BTC/USD.
func perpetualOf(spot *Asset) *Asset {
	symbol := spot.Pair.Base + "-PERP"
	return &Asset{
		ID: identify(symbol), Class: Perpetual, Symbol: symbol, Name: spot.Pair.Base + " Perpetual Future",
		Exchange: spot.Exchange, Price: spot.Price, Volatility: spot.Volatility, Pair: spot.Pair,
	}
}
