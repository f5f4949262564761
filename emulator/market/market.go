// Package market is the emulated market: quotes, trades and bars of every symbol at any moment, drawn from a seed.
package market

import (
	"hash/fnv"
	"math"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Step is how often a price can change.
const Step = 250 * time.Millisecond

// Quote is the best bid and offer. Prices are USD a share, sizes are shares.
type Quote struct {
	Time               time.Time
	BidPrice, AskPrice decimal.Decimal
	BidSize, AskSize   int64
	BidExchange        string
	AskExchange        string
}

// Trade is the last trade: price in USD a share, size in shares.
type Trade struct {
	Time     time.Time
	Price    decimal.Decimal
	Size     int64
	ID       uint64
	Exchange string
}

// Schedule tells when prices last moved.
type Schedule interface {
	// MarketTime returns the last moment at or before t at which prices moved.
	MarketTime(t time.Time) time.Time
}

// Market answers for every asset of a catalogue. It may be used concurrently.
type Market struct {
	seed     uint64
	schedule Schedule

	mu     sync.RWMutex
	pinned map[string]decimal.Decimal
}

// New returns a market whose prices depend on nothing but seed, symbol and time.
func New(seed uint64, schedule Schedule) *Market {
	return &Market{seed: seed, schedule: schedule, pinned: make(map[string]decimal.Decimal)}
}

// Pin holds a symbol's price: the last trade is at price, the quote one tick around it, until Unpin.
func (m *Market) Pin(symbol string, price decimal.Decimal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pinned[symbol] = price
}

// Unpin lets the symbol walk again.
func (m *Market) Unpin(symbol string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pinned, symbol)
}

func (m *Market) pin(symbol string) (decimal.Decimal, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	price, ok := m.pinned[symbol]
	return price, ok
}

// Quote returns the best bid and offer at a time.
func (m *Market) Quote(a *asset.Asset, at time.Time) Quote {
	at = m.moment(at)
	key := m.key(a.Symbol)
	dice := mix(key, uint64(at.UnixNano()))
	quote := Quote{
		Time:    at.Add(time.Duration(dice%uint64(Step)) * 3 / 4),
		BidSize: 100 * int64(1+dice>>8%12), AskSize: 100 * int64(1+dice>>20%12),
		BidExchange: venue(dice >> 32), AskExchange: venue(dice >> 40),
	}
	if price, ok := m.pin(a.Symbol); ok {
		tick := tickOf(price)
		quote.BidPrice, quote.AskPrice = price.Sub(tick), price.Add(tick)
		return quote
	}
	price := m.price(a, at)
	tick := tickOf(price)
	quote.BidPrice = price.Sub(tick.Mul64(dice >> 48 % spreadTicks(price)))
	quote.AskPrice = price.Add(tick.Mul64(1 + dice>>56%spreadTicks(price)))
	return quote
}

// Trade returns the last trade at or before a time; its price lies within the quote of that moment.
func (m *Market) Trade(a *asset.Asset, at time.Time) Trade {
	at = m.moment(at)
	dice := mix(m.key(a.Symbol)+1, uint64(at.UnixNano()))
	return Trade{
		Time: at.Add(time.Duration(dice % uint64(Step) / 2)), Price: m.Price(a, at), Size: 1 + int64(dice>>16%300),
		ID: uint64(at.UnixNano()/int64(Step)) & (1<<47 - 1), Exchange: venue(dice >> 40),
	}
}

// Price returns the price of the last trade at or before a time.
func (m *Market) Price(a *asset.Asset, at time.Time) decimal.Decimal {
	if price, ok := m.pin(a.Symbol); ok {
		return price
	}
	return m.price(a, m.moment(at))
}

// moment returns the step that a time lies in.
func (m *Market) moment(at time.Time) time.Time { return m.schedule.MarketTime(at).Truncate(Step) }

func (m *Market) price(a *asset.Asset, at time.Time) decimal.Decimal {
	value := a.Price.InexactFloat64() * walk(m.key(a.Symbol), a.Volatility, at)
	return round(value)
}

// round brings a price to its minimum increment: a cent, or a hundredth of one below a dollar.
func round(value float64) decimal.Decimal {
	if value >= 1 {
		return cents(int64(math.Round(value*100)), 2)
	}
	return cents(max(1, int64(math.Round(value*10_000))), 4)
}

func tickOf(price decimal.Decimal) decimal.Decimal {
	if price.LessThan(decimal.FromInt(1)) {
		return cents(1, 4)
	}
	return cents(1, 2)
}

// spreadTicks widens the spread of dear stocks: about half a basis point of the price, at least one tick.
func spreadTicks(price decimal.Decimal) uint64 {
	return 1 + uint64(price.InexactFloat64()/100)
}

func (m *Market) key(symbol string) uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(symbol)) // never fails
	return mix(hash.Sum64(), m.seed)
}

// venue picks an exchange code: Nasdaq, NYSE Arca, NYSE, EDGX, BZX, IEX or MEMX.
func venue(dice uint64) string {
	const codes = "QPNKZVU"
	at := dice % uint64(len(codes))
	return codes[at : at+1]
}
