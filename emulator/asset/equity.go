package asset

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

//go:embed equities.tsv
var equities string

// TestSymbol is what Alpaca's test stream sends data of. It cannot be traded.
const TestSymbol = "FAKEPACA"

// overTheCounter is the exchange of stocks that no exchange lists.
const overTheCounter = "OTC"

// IsOverTheCounter reports whether no exchange lists the stock.
func (a *Asset) IsOverTheCounter() bool { return a.Exchange == overTheCounter }

// row is the part that the lines of both lists share: symbol, price, volatility in percent and name.
func row(symbol, price, volatility, name string) (*Asset, error) {
	listedPrice, err := decimal.Parse(price)
	if err != nil {
		return nil, fmt.Errorf("price of %s: %w", symbol, err)
	}
	percent, err := strconv.Atoi(volatility)
	if err != nil {
		return nil, fmt.Errorf("volatility of %s: %w", symbol, err)
	}
	return &Asset{
		ID: identify(symbol), Symbol: symbol, Name: name, Tradable: true, Fractionable: true,
		Price: listedPrice, Volatility: float64(percent) / 100,
	}, nil
}

// parseEquity reads symbol, exchange, price, volatility in percent and name, separated by tabs.
func parseEquity(line string) (*Asset, error) {
	columns := strings.Split(line, "\t")
	if len(columns) != 5 {
		return nil, fmt.Errorf("%q: want 5 columns, found %d", line, len(columns))
	}
	listed, err := row(columns[0], columns[2], columns[3], columns[4])
	if err != nil {
		return nil, err
	}
	listed.Class, listed.Exchange = Equity, columns[1]
	listed.Marginable, listed.Shortable, listed.EasyToBorrow = true, true, true //nolint:misspell // Alpaca's word
	listed.Attributes = []string{"fractional_eh_enabled", "has_options", "overnight_tradable"}
	listed.restrict()
	return listed, nil
}

// restrict gives some stocks the limits that a client of Alpaca has to cope with: hard to borrow, or whole shares only.
func (a *Asset) restrict() {
	switch a.Symbol {
	case "AMC", "GME":
		a.EasyToBorrow = false
	case "SQQQ", "UVXY":
		a.Fractionable = false
		a.Attributes = []string{"has_options", "overnight_tradable"}
	}
	if a.Exchange == overTheCounter {
		a.Fractionable, a.Shortable, a.EasyToBorrow, a.Attributes = false, false, false, nil
	}
}

func testAsset() *Asset {
	return &Asset{
		ID: identify(TestSymbol), Class: Equity, Symbol: TestSymbol, Name: "Alpaca test stream", Exchange: "NYSE",
		Price: decimal.MustParse("133.85"), Volatility: 0.3,
	}
}
