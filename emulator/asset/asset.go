// Package asset is the catalogue of what can be traded in the emulator: real tickers with their names and exchanges.
package asset

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Class is a kind of asset, by Alpaca's names.
type Class string

// The asset classes.
const (
	Equity Class = "us_equity"
	Option Class = "us_option"
	Crypto Class = "crypto"
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

	Price      decimal.Decimal // around which the random walk runs, USD
	Volatility float64         // of a year, as a fraction
}

// Tape returns the consolidated tape of the listing: A for NYSE, B for Arca and the regional exchanges, C for Nasdaq.
func (a *Asset) Tape() string {
	switch a.Exchange {
	case "NYSE":
		return "A"
	case "NASDAQ":
		return "C"
	case "OTC":
		return "O"
	default:
		return "B"
	}
}

//go:embed equities.tsv
var equities string

// Catalogue finds assets by symbol or ID. It is immutable and may be used concurrently.
type Catalogue struct {
	all      []*Asset
	bySymbol map[string]*Asset
	byID     map[string]*Asset
}

// NewCatalogue reads the embedded list.
func NewCatalogue() (*Catalogue, error) {
	c := &Catalogue{bySymbol: make(map[string]*Asset), byID: make(map[string]*Asset)}
	for line := range strings.Lines(equities) {
		listed, err := parseEquity(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("asset list: %w", err)
		}
		c.add(listed)
	}
	return c, nil
}

func (c *Catalogue) add(a *Asset) {
	c.all = append(c.all, a)
	c.bySymbol[a.Symbol] = a
	c.byID[a.ID] = a
}

// parseEquity reads symbol, exchange, price, volatility in percent and name, separated by tabs.
func parseEquity(line string) (*Asset, error) {
	columns := strings.Split(line, "\t")
	if len(columns) != 5 {
		return nil, fmt.Errorf("%q: want 5 columns, found %d", line, len(columns))
	}
	price, err := decimal.Parse(columns[2])
	if err != nil {
		return nil, fmt.Errorf("price of %s: %w", columns[0], err)
	}
	volatility, err := strconv.Atoi(columns[3])
	if err != nil {
		return nil, fmt.Errorf("volatility of %s: %w", columns[0], err)
	}
	return &Asset{
		ID: identify(columns[0]), Class: Equity, Symbol: columns[0], Name: columns[4], Exchange: columns[1],
		Tradable: true, Shortable: true, EasyToBorrow: true, Fractionable: true,
		Marginable: true, //nolint:misspell // Alpaca's word
		Attributes: []string{"fractional_eh_enabled", "has_options", "overnight_tradable"},
		Price:      price, Volatility: float64(volatility) / 100,
	}, nil
}

// identify derives a stable asset ID, so that clients may keep IDs from one run to the next.
func identify(symbol string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("alpaca-emulator/asset/"+symbol)).String()
}

// Find returns the asset with this symbol or ID.
func (c *Catalogue) Find(symbolOrID string) (*Asset, bool) {
	if found, ok := c.bySymbol[symbolOrID]; ok {
		return found, true
	}
	found, ok := c.byID[symbolOrID]
	return found, ok
}

// All returns every asset, in the order of the list. The slice must not be changed.
func (c *Catalogue) All() []*Asset { return c.all }
