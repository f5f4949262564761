package market

import (
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// lastPrices remembers the price of each symbol's last trade with the span of time in which it stays the last: an account is
// valued with every order. What the walk says never changes, so that nothing here is ever wrong. It may be used concurrently.
type lastPrices struct {
	mu       sync.RWMutex
	bySymbol map[string]lastPrice
}

// lastPrice is the price from one moment to just before another, in UNIX nanoseconds.
type lastPrice struct {
	from, until int64
	price       decimal.Decimal
}

// maxLastPrices bounds the memory, about 100 bytes each; contracts are many.
const maxLastPrices = 10_000

func (l *lastPrices) get(symbol string, at int64) (decimal.Decimal, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	known, ok := l.bySymbol[symbol]
	if !ok || at < known.from || at >= known.until {
		return decimal.Decimal{}, false
	}
	return known.price, true
}

func (l *lastPrices) put(symbol string, known lastPrice) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bySymbol == nil || len(l.bySymbol) >= maxLastPrices {
		l.bySymbol = make(map[string]lastPrice)
	}
	l.bySymbol[symbol] = known
}

// walked returns the price of the last trade of the walk; for option contracts, which trade rarely, the middle of the quote.
func (m *Market) walked(a *asset.Asset, at time.Time) decimal.Decimal {
	s := m.series(a)
	if a.Class == asset.Option {
		book := s.book(s.quoteMoment(at))
		return priceOf((book.bid + book.ask) / 2)
	}
	last, ok := s.lastRaw(at)
	if !ok {
		return priceOf(s.book(s.quoteMoment(at)).last)
	}
	const horizon = int64(10 * time.Second)
	now := at.UnixNano()
	known := lastPrice{from: last.at, until: now + horizon, price: priceOf(s.price(last))}
	for next := range s.raws(now+1, now+horizon-1, false) {
		known.until = next.at
		break
	}
	m.lasts.put(a.Symbol, known)
	return known.price
}
