package asset

import (
	"slices"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Product is all option contracts with one root: they differ in type, strike and expiration only.
type Product struct {
	Root       string
	Underlying *Asset
	// European contracts are exercised at their expiration only, and settled in money: those on an index. All others are
	// American and settled with what they deliver.
	European bool
	// Morning is true of European contracts that are settled with the index at the open of their expiration date and trade
	// until the close of the day before; all others end with the close.
	Morning bool
	// Deliverables are what exercising one contract exchanges for its strike; none for European contracts.
	Deliverables []Deliverable
	// Adjusted is true of contracts that a corporate action changed: they deliver something else than Multiplier shares.
	Adjusted bool
	// Tradable is false when customers may not trade the contracts.
	Tradable bool

	weekly bool // listed for all weeks, else for those of a month's third Friday only
	number int  // in contract IDs
}

// Deliverable is a part of what exercising a contract exchanges.
type Deliverable struct {
	Asset      *Asset          // nil: money
	Amount     decimal.Decimal // shares, or USD
	Percentage int64           // of the strike that is paid for it
}

// Style is american or european.
func (p *Product) Style() string {
	if p.European {
		return "european"
	}
	return "american"
}

// Cover is the symbol of the positions that stand against each other: the contracts on one underlying and its shares. An
// adjusted contract stands alone with those of its root, because shares of the underlying are not all that it delivers.
func (p *Product) Cover() string {
	if p.Adjusted {
		return p.Root
	}
	return p.Underlying.Symbol
}

// PriceOf returns what an exercise pays for one share of a deliverable, USD: its part of the strike.
func (c *Contract) PriceOf(part Deliverable) decimal.Decimal {
	if !c.Adjusted {
		return c.Strike
	}
	price, err := c.Strike.Mul64(uint64(part.Percentage)).Div(part.Amount)
	if err != nil { // no amount is zero
		return decimal.Decimal{}
	}
	return price
}

// standard is the product of ordinary contracts on a stock.
func standard(stock *Asset) *Product {
	return &Product{
		Root: Root(stock.Symbol), Underlying: stock, Tradable: true, weekly: true,
		Deliverables: []Deliverable{{Asset: stock, Amount: decimal.FromInt(Multiplier), Percentage: 100}},
	}
}

// offer makes a product's contracts known. Those on one underlying are kept in the order of their roots.
func (c *Catalogue) offer(p *Product) {
	p.number = len(c.products)
	c.products = append(c.products, p)
	c.byRoot[p.Root] = p
	on := slices.Insert(c.byUnderlying[p.Underlying.Symbol], 0, p)
	slices.SortFunc(on, func(a, b *Product) int { return strings.Compare(a.Root, b.Root) })
	c.byUnderlying[p.Underlying.Symbol] = on
}

// Products returns all products in the order of their roots.
func (c *Catalogue) Products() []*Product {
	return slices.SortedFunc(slices.Values(c.products), func(a, b *Product) int { return strings.Compare(a.Root, b.Root) })
}

// adjusted are contracts that corporate actions left behind: after AT&T gave its holders Warner Bros. Discovery in 2022, and
// after a made-up one of General Electric, whose contracts customers of Alpaca may not trade.
func (c *Catalogue) adjusted() []*Product {
	shares := func(symbol string, amount, percentage int64) Deliverable {
		return Deliverable{Asset: c.bySymbol[symbol], Amount: decimal.FromInt(amount), Percentage: percentage}
	}
	money := Deliverable{Amount: decimal.MustParse("12.50")}
	return []*Product{
		{
			Root: "T1", Underlying: c.bySymbol["T"], Adjusted: true, Tradable: true,
			Deliverables: []Deliverable{shares("T", 100, 82), shares("WBD", 24, 18), money},
		},
		{Root: "GE1", Underlying: c.bySymbol["GE"], Adjusted: true, Deliverables: []Deliverable{shares("GE", 100, 100), money}},
	}
}
