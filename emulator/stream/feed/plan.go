package feed

// Plan is what a market data subscription allows on streams.
type Plan struct {
	// Plus is Algo Trader Plus: the feeds of all exchanges.
	Plus bool
	// StockSymbols is how many trade and quote subscriptions a stock stream may hold; zero: any number.
	StockSymbols int
	// OptionQuotes is how many quote subscriptions an option stream may hold; zero: any number.
	OptionQuotes int
}

// Basic is the free plan.
func Basic() Plan { return Plan{StockSymbols: 30, OptionQuotes: 200} }

// AlgoTraderPlus is the paid plan.
func AlgoTraderPlus() Plan { return Plan{Plus: true, OptionQuotes: 1000} }

// allows reports whether a connection of the class may hold the subscriptions. Alpaca's page counts trades and quotes; bars
// are free.
func (p Plan) allows(class Class, wanted *interest) bool {
	switch class {
	case Stocks:
		held := len(wanted[trades]) + len(wanted[quotes])
		return p.StockSymbols == 0 || held <= p.StockSymbols && !wanted.has(trades, star) && !wanted.has(quotes, star)
	case Options:
		return p.OptionQuotes == 0 || len(wanted[quotes]) <= p.OptionQuotes
	default:
		return true
	}
}
