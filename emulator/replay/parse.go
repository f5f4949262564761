package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// document is one answer of the API: trades, quotes or bars, of one symbol or by symbol.
type document struct {
	Trades    json.RawMessage `json:"trades"`
	Quotes    json.RawMessage `json:"quotes"`
	Bars      json.RawMessage `json:"bars"`
	Symbol    string          `json:"symbol"`
	Currency  string          `json:"currency"`
	NextToken *string         `json:"next_page_token"`
}

func (l *Library) readFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRecording, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	if err := l.read(file); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrRecording, path, err)
	}
	return nil
}

// read adds the documents of a file: one, or several pages one after the other.
func (l *Library) read(file io.Reader) error {
	buffered := bufio.NewReader(file)
	var plain io.Reader = buffered
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1F && magic[1] == 0x8B {
		unpacked, err := gzip.NewReader(buffered)
		if err != nil {
			return fmt.Errorf("gzip: %w", err)
		}
		plain = unpacked
	}
	decoder := json.NewDecoder(plain)
	decoder.DisallowUnknownFields()
	for number := 1; ; number++ {
		var found document
		err := decoder.Decode(&found)
		if errors.Is(err, io.EOF) {
			if number == 1 {
				return errors.New("the file is empty")
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("document %d: %w", number, err)
		}
		if err := l.add(&found); err != nil {
			return fmt.Errorf("document %d: %w", number, err)
		}
	}
}

// add adds what a document holds.
func (l *Library) add(found *document) error {
	if found.Trades == nil && found.Quotes == nil && found.Bars == nil {
		return errors.New("it has none of trades, quotes and bars")
	}
	if err := each(found.Trades, "trades", found.Symbol, l.addTrade); err != nil {
		return err
	}
	if err := each(found.Quotes, "quotes", found.Symbol, l.addQuote); err != nil {
		return err
	}
	return each(found.Bars, "bars", found.Symbol, l.addBar)
}

// each calls add for every record of a list, or of lists by symbol.
func each[T any](raw json.RawMessage, name, symbol string, add func(symbol string, record *T) error) error {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
		return nil
	}
	lists := map[string][]json.RawMessage{}
	if raw[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if symbol == "" {
			return fmt.Errorf("%s: a list needs a symbol beside it", name)
		}
		lists[symbol] = list
	} else if err := json.Unmarshal(raw, &lists); err != nil {
		return fmt.Errorf("%s: want lists by symbol: %w", name, err)
	}
	for symbol, list := range lists {
		for i, item := range list {
			var record T
			decoder := json.NewDecoder(bytes.NewReader(item))
			decoder.DisallowUnknownFields()
			err := decoder.Decode(&record)
			if err == nil {
				err = add(symbol, &record)
			}
			if err != nil {
				return fmt.Errorf("%s of %s, record %d: %w", name, symbol, i+1, err)
			}
		}
	}
	return nil
}

// conditions are a list for stocks and one text for options; kept as one letter each.
type conditions string

// UnmarshalJSON reads either form.
func (c *conditions) UnmarshalJSON(raw []byte) error {
	var list []string
	if len(raw) > 0 && raw[0] == '"' {
		list = make([]string, 1)
		if err := json.Unmarshal(raw, &list[0]); err != nil {
			return err
		}
	} else if err := json.Unmarshal(raw, &list); err != nil {
		return err
	}
	for _, condition := range list {
		if len(condition) > 1 {
			return fmt.Errorf("c: %q is longer than one character", condition)
		}
		*c += conditions(condition)
	}
	return nil
}

// tradeRecord is a trade of a stock, an option or a crypto pair.
type tradeRecord struct {
	Time       time.Time      `json:"t"`
	Price      decimal.Number `json:"p"`
	Size       decimal.Number `json:"s"`
	Exchange   string         `json:"x"`
	ID         uint64         `json:"i"`
	Conditions conditions     `json:"c"`
	Tape       string         `json:"z"`
	Update     string         `json:"u"`
	Taker      string         `json:"tks"`
}

func (l *Library) addTrade(symbol string, r *tradeRecord) error {
	switch {
	case !reasonable(r.Time):
		return errors.New("t: want a time from 1970 to 2029")
	case !inRange(r.Price.Decimal) || !r.Price.IsPos():
		return errors.New("p: want a price above 0 and below a billion")
	case !inRange(r.Size.Decimal):
		return errors.New("s: want a size from 0 to a billion")
	case r.Taker != "" && r.Taker != "B" && r.Taker != "S" && r.Taker != "-":
		return errors.New("tks: want B, S or -")
	case r.Update == "canceled" || r.Update == "incorrect":
		return nil // it was taken back
	}
	found := l.of(symbol)
	found.trades = append(found.trades, market.Trade{
		Time: r.Time.UTC(), Price: r.Price.Decimal, Size: r.Size.Decimal, ID: r.ID, Exchange: r.Exchange,
		Conditions: string(r.Conditions), TakerSells: r.Taker == "S",
	})
	return nil
}

// quoteRecord is a quote of a stock, an option or a crypto pair.
type quoteRecord struct {
	Time        time.Time      `json:"t"`
	BidPrice    decimal.Number `json:"bp"`
	BidSize     decimal.Number `json:"bs"`
	BidExchange string         `json:"bx"`
	AskPrice    decimal.Number `json:"ap"`
	AskSize     decimal.Number `json:"as"`
	AskExchange string         `json:"ax"`
	Conditions  conditions     `json:"c"`
	Tape        string         `json:"z"`
}

func (l *Library) addQuote(symbol string, r *quoteRecord) error {
	if !reasonable(r.Time) {
		return errors.New("t: want a time from 1970 to 2029")
	}
	for name, value := range map[string]decimal.Decimal{
		"bp": r.BidPrice.Decimal, "ap": r.AskPrice.Decimal, "bs": r.BidSize.Decimal, "as": r.AskSize.Decimal,
	} {
		if !inRange(value) {
			return fmt.Errorf("%s: want a number from 0 to a billion", name)
		}
	}
	found := l.of(symbol)
	found.quotes = append(found.quotes, market.Quote{
		Time: r.Time.UTC(), BidPrice: r.BidPrice.Decimal, BidSize: r.BidSize.Decimal, BidExchange: r.BidExchange,
		AskPrice: r.AskPrice.Decimal, AskSize: r.AskSize.Decimal, AskExchange: r.AskExchange,
	})
	return nil
}

// barRecord is a bar of any asset.
type barRecord struct {
	Time   time.Time      `json:"t"`
	Open   decimal.Number `json:"o"`
	High   decimal.Number `json:"h"`
	Low    decimal.Number `json:"l"`
	Close  decimal.Number `json:"c"`
	Volume decimal.Number `json:"v"`
	Trades int64          `json:"n"`
	VWAP   decimal.Number `json:"vw"`
}

func (l *Library) addBar(symbol string, r *barRecord) error {
	if !reasonable(r.Time) {
		return errors.New("t: want a time from 1970 to 2029")
	}
	low, high := r.Low.Decimal, r.High.Decimal
	for name, value := range map[string]decimal.Decimal{"o": r.Open.Decimal, "h": high, "l": low, "c": r.Close.Decimal} {
		if !inRange(value) || !value.IsPos() {
			return fmt.Errorf("%s: want a price above 0 and below a billion", name)
		}
		if value.LessThan(low) || value.GreaterThan(high) {
			return fmt.Errorf("%s: it lies outside the low and the high", name)
		}
	}
	if !inRange(r.Volume.Decimal) || r.Trades < 0 || !inRange(r.VWAP.Decimal) {
		return errors.New("v, n, vw: want numbers from 0 to a billion")
	}
	found := l.of(symbol)
	found.bars = append(found.bars, market.Bar{
		Start: r.Time.UTC(), Open: r.Open.Decimal, High: high, Low: low, Close: r.Close.Decimal, Volume: r.Volume.Decimal,
		Trades: r.Trades, VWAP: r.VWAP.Decimal,
	})
	return nil
}

func reasonable(at time.Time) bool { return at.Year() >= 1970 && at.Year() < 2030 }

// inRange refuses negative numbers, and those with which sums would not fit.
func inRange(value decimal.Decimal) bool {
	const billion = 1_000_000_000
	return !value.IsNeg() && value.LessThan(decimal.FromInt(billion))
}
