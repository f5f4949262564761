package exchange

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// ErrNoStock is returned for a symbol that no stock has.
var ErrNoStock = errors.New("no such stock")

// Offer makes a stock one that is offered for the first time: until FirstTrade it takes limit orders only, and they wait.
// ErrNoStock.
func (x *Exchange) Offer(symbol string) error { return x.mark(&x.offerings, symbol) }

// FirstTrade lets an offered stock trade; what is marketable then fills before FirstTrade returns.
func (x *Exchange) FirstTrade(symbol string) {
	x.offerings.remove(symbol)
	x.SweepSymbol(symbol)
}

// MakeHardToBorrow ends new short sales of a stock, and before the next open those that wait. ErrNoStock.
func (x *Exchange) MakeHardToBorrow(symbol string) error { return x.mark(&x.scarce, symbol) }

// MakeEasyToBorrow takes MakeHardToBorrow back. What the list of assets calls hard to borrow stays so.
func (x *Exchange) MakeEasyToBorrow(symbol string) { x.scarce.remove(symbol) }

func (x *Exchange) mark(as *marks, symbol string) error {
	found, ok := x.catalogue.Find(symbol)
	if !ok || found.Class != asset.Equity || !found.Tradable {
		return fmt.Errorf("%w: %q", ErrNoStock, symbol)
	}
	as.set(found.Symbol, x.clock.Now())
	return nil
}

// Listing returns an asset as it is at the moment: offered stocks have the attribute ipo, halted ones overnight_halted, and
// others may be hard to borrow.
func (x *Exchange) Listing(listed *asset.Asset) *asset.Asset {
	offered, scarce, halted := x.offerings.has(listed.Symbol), x.scarce.has(listed.Symbol), x.halts.has(listed.Symbol)
	if !offered && !scarce && !halted {
		return listed
	}
	now := *listed
	if offered {
		now.Attributes = append(slices.Clone(now.Attributes), "ipo")
	}
	if halted && slices.Contains(now.Attributes, "overnight_tradable") {
		now.Attributes = append(slices.Clone(now.Attributes), "overnight_halted")
	}
	now.EasyToBorrow = now.EasyToBorrow && !scarce
	return &now
}

// checkListing applies the rules for offered stocks and for those that no exchange lists. Alpaca describes the rules; the
// words are ours.
func (x *Exchange) checkListing(r *OrderRequest, listed *asset.Asset) error {
	switch {
	case x.offerings.has(listed.Symbol) && r.Type != Limit:
		return wire.Unprocessable("only limit orders are accepted for ipo asset %q before its first trade", listed.Symbol)
	case !listed.IsOverTheCounter():
		return nil
	case r.TimeInForce != Day && r.TimeInForce != GoodTillCanceled:
		return wire.Unprocessable("otc orders must be DAY or GTC orders")
	case r.Type == TrailingStop:
		return wire.Unprocessable("otc orders must be market, limit, stop, or stop_limit orders")
	default:
		return nil
	}
}

// recallShorts cancels orders that sell short what became hard to borrow, outside the session or once a new one began.
func (x *Exchange) recallShorts(now time.Time) {
	for symbol, since := range x.scarce.all() {
		if x.clock.Phase(now) == session.Regular && x.clock.Calendar.NextOpen(since).After(now) {
			continue
		}
		for _, group := range x.book.on(symbol) {
			for _, e := range group {
				e.account.recallShort(e, symbol, now)
			}
		}
	}
}

func (a *Account) recallShort(e *entry, symbol string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.resting && e.Asset.Symbol == symbol && e.Intent == SellToOpen && !e.Status.Terminal() && !a.isLocated(e, now) {
		a.end(e, StatusCanceled, now)
	}
}
