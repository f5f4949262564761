// Package replay makes recorded answers of Alpaca's Market Data API the emulated market: trades, quotes and bars as the
// REST API returns them, plain or compressed with gzip, in any number of files.
package replay

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
)

// ErrRecording is what all refusals of a recording are.
var ErrRecording = errors.New("bad recording")

// Library is the contents of some recordings.
type Library struct {
	symbols map[string]*records
}

// records are what was recorded of one symbol.
type records struct {
	trades []market.Trade
	quotes []market.Quote
	bars   []market.Bar
}

// Load reads recordings. ErrRecording, with the file and the record at fault.
func Load(paths []string) (*Library, error) {
	library := &Library{symbols: make(map[string]*records)}
	for _, path := range paths {
		if err := library.readFile(path); err != nil {
			return nil, err
		}
	}
	return library, nil
}

func (l *Library) of(symbol string) *records {
	found, ok := l.symbols[symbol]
	if !ok {
		found = &records{}
		l.symbols[symbol] = found
	}
	return found
}

// Symbols returns what was recorded, sorted.
func (l *Library) Symbols() []string { return slices.Sorted(maps.Keys(l.symbols)) }

// Begin returns the time of the first record; zero for a library without any.
func (l *Library) Begin() time.Time {
	var begin time.Time
	earliest := func(at time.Time) {
		if begin.IsZero() || at.Before(begin) {
			begin = at
		}
	}
	for _, found := range l.symbols {
		for i := range found.trades {
			earliest(found.trades[i].Time)
		}
		for i := range found.quotes {
			earliest(found.quotes[i].Time)
		}
		for i := range found.bars {
			earliest(found.bars[i].Start)
		}
	}
	return begin
}

// ShiftTo returns by how much times must be moved so that the recording begins in the minute of start.
func (l *Library) ShiftTo(start time.Time) time.Duration {
	begin := l.Begin()
	if begin.IsZero() {
		return 0
	}
	return start.Truncate(time.Minute).Sub(begin.Truncate(time.Minute))
}

// Install makes the recordings the market of their symbols, moved in time. ErrRecording for a symbol that the catalogue
// does not have.
func (l *Library) Install(prices *market.Market, catalogue *asset.Catalogue, zone *time.Location, shift time.Duration) error {
	for _, symbol := range l.Symbols() {
		found, ok := catalogue.Find(symbol)
		if !ok || found.Symbol != symbol {
			return fmt.Errorf("%w: symbol %s is not in the emulator's list of assets", ErrRecording, symbol)
		}
		days := zone
		if found.Pair != nil {
			days = time.UTC
		}
		prices.Replay(symbol, newTape(l.symbols[symbol], found, days, shift))
	}
	return nil
}
