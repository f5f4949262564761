package asset

import "github.com/opitios-ai/alpaca-knative/shared/decimal"

// indices are the stock indices that Alpaca lists options on, without those of volatility (its page on index options). They
// cannot be traded themselves, and have no market data.
func indices() []*Asset {
	made := func(symbol, name, price string) *Asset {
		return &Asset{
			ID: identify(symbol), Class: Index, Symbol: symbol, Name: name, Exchange: "CBOE",
			Price: decimal.MustParse(price), Volatility: 0.15, Attributes: []string{"has_options"},
		}
	}
	standardPoors := made("SPX", "S&P 500 Index", "6590.00")
	mini := made("XSP", "Mini-S&P 500 Index", "659.00")
	mini.walk = standardPoors.Symbol
	return []*Asset{standardPoors, mini, made("DJX", "1/100 Dow Jones Industrial Average", "462.20")}
}

// indexProducts returns the roots of index options: SPX and DJX settle in the morning of the month's third Friday, their
// weeklies and the mini contracts at the close.
func (c *Catalogue) indexProducts() []*Product {
	european := func(root, index string, morning bool) *Product {
		return &Product{
			Root: root, Underlying: c.bySymbol[index], European: true, Morning: morning, Tradable: true, weekly: !morning,
		}
	}
	return []*Product{
		european("SPX", "SPX", true), european("SPXW", "SPX", false), european("XSP", "XSP", false),
		european("DJX", "DJX", true), european("DJXW", "DJX", false),
	}
}
