package exchange

// Disputed chooses between readings where Alpaca's own sources disagree. The zero value is the reading that is safer for a
// client: what works here works at Alpaca whichever source is right.
type Disputed struct {
	// HeldEvents sends an event for every leg that waits. Alpaca documents it, and its Python SDK fails on it.
	HeldEvents bool
	// WideOptionOrders takes stops, and limit orders that are good till canceled, for option contracts; else only day orders
	// at the market or with a limit.
	WideOptionOrders bool
	// WideNotional takes orders in dollars of every type that fractional orders have; else only at the market.
	WideNotional bool
	// CryptoDayOrders takes crypto limit orders for the day and fok; else only gtc and ioc.
	CryptoDayOrders bool
	// ReusableClientOrderIDs frees a client order ID when its order has ended; else it is taken for ever.
	ReusableClientOrderIDs bool
	// CanceledAtClose calls what is left of a day order at the close canceled; else expired.
	CanceledAtClose bool
	// RepeatedCancels answers another cancel of a canceled order with success; else with 422.
	RepeatedCancels bool
	// PatternDayTraderFields puts the five fields of the former pattern-day-trader rule into account answers.
	PatternDayTraderFields bool
}
