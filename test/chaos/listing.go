package main

import (
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// listing is what can be traded, by what it is good for.
type listing struct {
	// stocks are liquid, and cheap enough that no account runs out of money. coins are cheap too.
	stocks, coins []string
	// fresh are further stocks; an account uses each once, so that a position in one is one intent's. The same goes for
	// puts and for the pairs of calls.
	fresh, puts []string
	spreads     [][]order.Leg
}

const (
	// soonest keeps away from contracts that are about to expire.
	soonest = 10 * 24 * time.Hour
	// dearest is the highest price of a stock that is bought, USD.
	dearest = 700
)

func newListing(now time.Time) (*listing, error) {
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		return nil, err
	}
	l := &listing{
		stocks: []string{
			"AAPL", "MSFT", "AMZN", "GOOGL", "TSLA", "NVDA", "META", "AMD", "INTC", "CSCO", "PFE", "KO", "T", "F", "BAC", "WMT",
			"DIS", "NKE", "XOM", "VZ",
		},
		coins: []string{"DOGE/USD", "XRP/USD", "CRV/USD", "BAT/USD", "DOT/USD"},
	}
	used := " " + strings.Join(l.stocks, " ") + " "
	for _, stock := range catalogue.Underlyings() {
		if stock.EasyToBorrow && stock.Fractionable && stock.Price.LessThan(decimal.FromInt(dearest)) && !strings.Contains(used, " "+stock.Symbol+" ") {
			l.fresh = append(l.fresh, stock.Symbol)
		}
	}
	for _, underlying := range []string{"F", "T", "PFE", "BAC", "KO", "INTC", "CSCO", "VZ"} {
		stock, ok := catalogue.Find(underlying)
		if !ok {
			continue
		}
		var before *asset.Asset // the call with the strike below
		for contract := range catalogue.Chain(stock, now) {
			terms := contract.Contract
			if terms.Adjusted || !contract.Tradable || !terms.Expiration.After(now.Add(soonest)) || !near(terms.Strike, stock.Price) {
				before = nil
				continue
			}
			if terms.Type == asset.Put {
				l.puts = append(l.puts, contract.Symbol)
				before = nil
				continue
			}
			if before == nil {
				before = contract
				continue
			}
			l.spreads = append(l.spreads, []order.Leg{
				{Symbol: before.Symbol, RatioQty: amount(1), Side: "buy", PositionIntent: "buy_to_open"},
				{Symbol: contract.Symbol, RatioQty: amount(1), Side: "sell", PositionIntent: "sell_to_open"},
			})
			before = nil
		}
	}
	return l, nil
}

// near reports whether a strike is near enough to the price for somebody to bid for the contract.
func near(strike, price decimal.Decimal) bool {
	return strike.GreaterThan(price.Mul(decimal.MustParse("0.85"))) && strike.LessThan(price.Mul(decimal.MustParse("1.1")))
}

// turns is how many intents of an account have fresh symbols of every kind.
func (l *listing) turns() int { return min(len(l.fresh), len(l.puts), len(l.spreads)) }

// stock is the plain order of an account's turn: symbol and quantity are its own.
func (l *listing) stock(turn int) order.OrderRequest {
	n := turn % len(l.stocks)
	r := order.OrderRequest{Symbol: l.stocks[n], Qty: amount(int64(1 + turn/len(l.stocks))), Type: "market", TimeInForce: "day", Side: "buy"}
	if n%5 == 4 { // one side for each symbol: no account may trade with itself
		r.Side = "sell"
	}
	return r
}
