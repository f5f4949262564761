package feed

import "github.com/opitios-ai/alpaca-knative/emulator/access"

// rights is what a market data plan allows on streams.
type rights struct {
	realTime     bool // feeds of all exchanges without delay
	stockSymbols int  // trade and quote subscriptions of a stock stream; 0: any number, and stars
	optionQuotes int  // quote subscriptions of an option stream
}

// rightsOf returns the rights of a plan, from Alpaca's page "About Market Data API".
func rightsOf(plan access.Plan) rights {
	if plan == access.Basic {
		return rights{stockSymbols: 30, optionQuotes: 200}
	}
	return rights{realTime: true, optionQuotes: 1000}
}

// allow reports whether a connection of the class may hold the subscriptions. Alpaca's page counts trades and quotes; bars
// are free unless they are to be counted, too.
func (r rights) allow(class Class, wanted *interest, countBars bool) bool {
	switch class {
	case Stocks:
		held := len(wanted[trades]) + len(wanted[quotes])
		if countBars {
			held += len(wanted[bars]) + len(wanted[updatedBars]) + len(wanted[dailyBars])
		}
		return r.stockSymbols == 0 || held <= r.stockSymbols && !wanted.has(trades, star) && !wanted.has(quotes, star)
	case Options:
		return len(wanted[quotes]) <= r.optionQuotes
	default:
		return true
	}
}
