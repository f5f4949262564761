package asset

import (
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// ContractType is call or put.
type ContractType string

// The contract types.
const (
	Call ContractType = "call"
	Put  ContractType = "put"
)

// Multiplier is how many shares a contract's price and strike are for.
const Multiplier = 100

// Contract is what only option contracts have.
type Contract struct {
	*Product

	Type       ContractType
	Strike     decimal.Decimal // USD a share
	Expiration time.Time       // what it is settled by: the close of its expiration date, or the open of a Morning contract's
	LastTrade  time.Time       // the close of its last trading day
}

// Date returns the expiration date as YYYY-MM-DD.
func (c *Contract) Date() string { return c.Expiration.Format(time.DateOnly) }

// Intrinsic returns what exercising brings at a price of the underlying, USD a share; zero when it brings nothing.
func (c *Contract) Intrinsic(price decimal.Decimal) decimal.Decimal {
	gain := price.Sub(c.Strike)
	if c.Type == Put {
		gain = gain.Neg()
	}
	if gain.IsNeg() {
		return decimal.Decimal{}
	}
	return gain
}

// Expired reports whether the contract is settled at t.
func (c *Contract) Expired(t time.Time) bool { return !t.Before(c.Expiration) }

// ExpiresOn reports whether t is on the contract's last day, in New York.
func (c *Contract) ExpiresOn(t time.Time) bool {
	return t.In(c.Expiration.Location()).Format(time.DateOnly) == c.Date()
}

// OpenInterest returns how many contracts were open at the end of the day before t: most at the money, fewer far from
// it, different from day to day.
func (c *Contract) OpenInterest(t time.Time) int64 {
	ratio := math.Log(c.Strike.InexactFloat64() / c.Underlying.Price.InexactFloat64())
	width := math.Max(0.05, c.Underlying.Volatility/2)
	hash := fnv.New64a()
	_, _ = fmt.Fprintf(hash, "%s|%s|%s|%s", c.Root, c.Date(), c.Type, c.Strike) // never fails
	size := 500 + hash.Sum64()%15_000
	day := uint64(t.UTC().YearDay()) * 0x9E3779B97F4A7C15
	drift := 0.9 + float64((hash.Sum64()^day)%200)/1000
	return int64(float64(size) * drift * math.Exp(-ratio*ratio/(2*width*width)))
}

// Root returns the OCC root of a stock's symbol: BRKB for BRK.B.
func Root(symbol string) string { return strings.ReplaceAll(symbol, ".", "") }

const (
	strikeDigits = 8
	tailLength   = 6 + 1 + strikeDigits // YYMMDD, C or P, strike in thousandths
	maxRoot      = 6
	symbolDate   = "060102"
)

// symbol returns the OCC symbol without padding, as Alpaca writes it: AAPL261218C00250000.
func (c *Contract) symbol() string {
	letter := byte('C')
	if c.Type == Put {
		letter = 'P'
	}
	thousandths, err := c.Strike.Mul64(1000).Int64()
	if err != nil { // cannot happen: strikes are below 100,000
		thousandths = 0
	}
	out := make([]byte, 0, len(c.Root)+tailLength)
	out = append(out, c.Root...)
	out = c.Expiration.AppendFormat(out, symbolDate)
	out = append(out, letter)
	digits := strconv.FormatInt(thousandths, 10)
	for range strikeDigits - len(digits) {
		out = append(out, '0')
	}
	return string(append(out, digits...))
}

// name is what the contract is on: the stock, also for roots without the dot, the root of any other.
func (p *Product) name() string {
	if p.European || p.Adjusted {
		return p.Root
	}
	return p.Underlying.Symbol
}

// contractAsset wraps the contract.
func contractAsset(contract *Contract) *Asset {
	return &Asset{
		ID: contract.id(), Class: Option, Symbol: contract.symbol(), Tradable: contract.Tradable, Contract: contract,
		Marginable: true, //nolint:misspell // Alpaca's word, and its answer for option positions, which it lends nothing on
		Name: fmt.Sprintf("%s %s %s %s", contract.name(), contract.Expiration.Format("Jan 02 2006"),
			contract.Strike, map[ContractType]string{Call: "Call", Put: "Put"}[contract.Type]),
		Volatility: contract.Underlying.Volatility,
	}
}

// IsContractSymbol reports whether text has the form of an OCC symbol.
func IsContractSymbol(text string) bool {
	if len(text) <= tailLength || len(text) > maxRoot+tailLength {
		return false
	}
	root, tail := text[:len(text)-tailLength], text[len(text)-tailLength:]
	for _, letter := range root {
		if (letter < 'A' || letter > 'Z') && (letter < '0' || letter > '9') {
			return false
		}
	}
	for i, letter := range tail {
		if i == 6 {
			if letter != 'C' && letter != 'P' {
				return false
			}
		} else if letter < '0' || letter > '9' {
			return false
		}
	}
	return root[0] >= 'A'
}

// findContract finds a contract by OCC symbol or ID; only contracts that are listed at some time exist.
func (c *Catalogue) findContract(symbolOrID string) (*Asset, bool) {
	if !IsContractSymbol(symbolOrID) {
		return c.contractByID(symbolOrID)
	}
	root, tail := symbolOrID[:len(symbolOrID)-tailLength], symbolOrID[len(symbolOrID)-tailLength:]
	product, ok := c.byRoot[root]
	if !ok {
		return nil, false
	}
	date, err := time.ParseInLocation(symbolDate, tail[:6], c.calendar.Location())
	if err != nil {
		return nil, false
	}
	thousandths, err := strconv.ParseInt(tail[7:], 10, 64)
	if err != nil {
		return nil, false
	}
	kind := Call
	if tail[6] == 'P' {
		kind = Put
	}
	return c.contract(product, date, kind, thousandths)
}

// contract returns the contract with these terms if it is listed at some time.
func (c *Catalogue) contract(product *Product, date time.Time, kind ContractType, thousandths int64) (*Asset, bool) {
	day, ok := c.expiration(date)
	if !ok || !product.lists(day.Open) || !strikesOf(product.Underlying).has(thousandths, isMonthly(day.Open)) {
		return nil, false
	}
	contract := &Contract{Product: product, Type: kind, Strike: fromThousandths(thousandths)}
	contract.Expiration, contract.LastTrade = c.ends(product, day)
	return contractAsset(contract), true
}

// ends returns when contracts that expire on a day are settled, and when they trade last.
func (c *Catalogue) ends(product *Product, day session.Day) (expiration, lastTrade time.Time) {
	if product.Morning {
		return day.Open, c.calendar.PreviousClose(day.Open)
	}
	return day.Close, day.Close
}

// HasRoot reports whether there are contracts with the root of an OCC symbol.
func (c *Catalogue) HasRoot(symbol string) bool { return c.byRoot[RootOf(symbol)] != nil }

// IsContractDate reports whether the date in an OCC symbol exists.
func IsContractDate(symbol string) bool {
	if !IsContractSymbol(symbol) {
		return false
	}
	tail := symbol[len(symbol)-tailLength:]
	_, err := time.Parse(symbolDate, tail[:6])
	return err == nil
}

// RootOf returns the root of an OCC symbol; "" for text that is none.
func RootOf(symbol string) string {
	if !IsContractSymbol(symbol) {
		return ""
	}
	return symbol[:len(symbol)-tailLength]
}

// CompareSymbols orders OCC symbols as Chain does: by root, expiration, type and strike. Text that is none comes first.
func CompareSymbols(a, b string) int {
	if order := strings.Compare(RootOf(a), RootOf(b)); order != 0 {
		return order
	}
	return strings.Compare(a, b)
}
