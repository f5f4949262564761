// Package asset is the catalogue of what can be traded in the emulator: real tickers, crypto pairs, and option
// contracts that are computed when somebody asks for them.
package asset

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Class is a kind of asset, by Alpaca's names.
type Class string

// The asset classes. Perpetual futures have market data only, indices have options only.
const (
	Equity    Class = "us_equity"
	Index     Class = "us_index"
	Option    Class = "us_option"
	Crypto    Class = "crypto"
	Perpetual Class = "crypto_perp"
)

// Asset is one tradable instrument. Assets are immutable and shared.
type Asset struct {
	ID           string // uuid, the same in every run
	Class        Class
	Symbol       string
	Name         string
	Exchange     string
	Tradable     bool
	Marginable   bool //nolint:misspell // Alpaca's word
	Shortable    bool
	EasyToBorrow bool
	Fractionable bool
	Attributes   []string

	Price      decimal.Decimal // around which the random walk runs, USD; zero for option contracts
	Volatility float64         // of a year, as a fraction

	walk string // symbol whose walk the price follows; empty: its own

	Pair     *Pair     // crypto and perpetual futures only
	Contract *Contract // option contracts only
}

// Tape returns the consolidated tape of the listing: A for NYSE, B for Arca and the regional exchanges, C for Nasdaq.
func (a *Asset) Tape() string {
	switch a.Exchange {
	case "NYSE":
		return "A"
	case "NASDAQ":
		return "C"
	case overTheCounter:
		return "O"
	default:
		return "B"
	}
}

// Worth returns what a quantity is worth at a price, USD: the price of an option contract is that of one of its shares.
func (a *Asset) Worth(qty, price decimal.Decimal) decimal.Decimal {
	if a.Class == Option {
		qty = qty.Mul64(Multiplier)
	}
	return qty.Mul(price)
}

// Walk returns the symbol whose random walk the price follows, at its own height.
func (a *Asset) Walk() string {
	if a.walk != "" {
		return a.walk
	}
	return a.Symbol
}

// Catalogue finds assets by symbol or ID. It is immutable and may be used concurrently.
type Catalogue struct {
	all          []*Asset
	underlyings  []*Asset
	indices      []*Asset
	perpetuals   []*Asset
	products     []*Product // by their numbers
	bySymbol     map[string]*Asset
	byID         map[string]*Asset
	byRoot       map[string]*Product
	byUnderlying map[string][]*Product
	calendar     *session.Calendar
}

// NewCatalogue reads the embedded lists.
func NewCatalogue() (*Catalogue, error) {
	calendar, err := session.NewCalendar()
	if err != nil {
		return nil, err
	}
	c := &Catalogue{
		bySymbol: make(map[string]*Asset), byID: make(map[string]*Asset), calendar: calendar, indices: indices(),
		byRoot: make(map[string]*Product), byUnderlying: make(map[string][]*Product),
	}
	for line := range strings.Lines(equities) {
		listed, err := parseEquity(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("asset list: %w", err)
		}
		if listed.Exchange != overTheCounter {
			c.underlyings = append(c.underlyings, listed)
			c.offer(standard(listed))
		}
		c.list(listed)
	}
	for _, index := range c.indices {
		c.list(index)
	}
	for _, product := range append(c.indexProducts(), c.adjusted()...) {
		c.offer(product)
	}
	for line := range strings.Lines(pairs) {
		listed, err := parsePair(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("crypto list: %w", err)
		}
		c.list(listed)
		c.bySymbol[strings.ReplaceAll(listed.Symbol, "/", "")] = listed
		if listed.Pair.Quote == "USD" {
			c.perpetuals = append(c.perpetuals, perpetualOf(listed))
		}
	}
	c.index(testAsset())
	for _, perpetual := range c.perpetuals {
		c.index(perpetual)
	}
	return c, nil
}

func (c *Catalogue) list(a *Asset) {
	c.all = append(c.all, a)
	c.index(a)
}

func (c *Catalogue) index(a *Asset) {
	c.bySymbol[a.Symbol] = a
	c.byID[a.ID] = a
}

// Find returns the asset with this symbol or ID: a stock, an index, a crypto pair (BTC/USD and BTCUSD are the same), an option
// contract by its OCC symbol whether it has expired or not, the test asset, or a perpetual future.
func (c *Catalogue) Find(symbolOrID string) (*Asset, bool) {
	if found, ok := c.bySymbol[symbolOrID]; ok {
		return found, true
	}
	if found, ok := c.byID[symbolOrID]; ok {
		return found, true
	}
	return c.findContract(symbolOrID)
}

// All returns every stock, index and crypto pair, in the order of the lists: what Alpaca's asset list has. The slice must not
// be changed.
func (c *Catalogue) All() []*Asset { return c.all }

// Underlyings returns the stocks that have option contracts. The slice must not be changed.
func (c *Catalogue) Underlyings() []*Asset { return c.underlyings }

// Indices returns the indices that have option contracts. The slice must not be changed.
func (c *Catalogue) Indices() []*Asset { return c.indices }

// Perpetuals returns the crypto perpetual futures. The slice must not be changed.
func (c *Catalogue) Perpetuals() []*Asset { return c.perpetuals }

// identify derives a stable asset ID, so that clients may keep IDs from one run to the next.
func identify(symbol string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("alpaca-emulator/asset/"+symbol)).String()
}
