package exchange

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// LocateStatus is what became of a request to locate shares.
type LocateStatus string

// The statuses of Alpaca's specification.
const (
	LocateActive   LocateStatus = "active"
	LocateExpired  LocateStatus = "expired"
	LocateRejected LocateStatus = "rejected"
)

// Why a locate is rejected. Alpaca's specification names the first; the second is ours.
const (
	noInventory = "inventory_unavailable"
	tooDear     = "limit_price_exceeded"
)

// Locate is a request to borrow shares that are hard to borrow, and what came of it. One that was rejected has a Rejection and
// no LocatedQty. Prices are USD a share.
type Locate struct {
	ID             string           `json:"id"`
	Symbol         string           `json:"symbol"`
	RequestedQty   int64            `json:"requested_qty"`
	LimitPrice     *decimal.Decimal `json:"limit_price"`
	AllOrNone      bool             `json:"all_or_none"`
	CreatedAt      time.Time        `json:"created_at"`
	ExpiresAt      time.Time        `json:"expires_at"`
	LocatedQty     int64            `json:"located_qty"`
	Price          decimal.Decimal  `json:"located_price"`
	Rejection      string           `json:"rejection_reason,omitempty"`
	Used           decimal.Decimal  `json:"used"` // shares that were sold short; a locate is good for one sale
	IdempotencyKey string           `json:"idempotency_key,omitempty"`
}

// Status returns what the locate is worth at a time.
func (l *Locate) Status(now time.Time) LocateStatus {
	switch {
	case l.Rejection != "":
		return LocateRejected
	case now.Before(l.ExpiresAt):
		return LocateActive
	default:
		return LocateExpired
	}
}

// TotalFee returns what the locate cost, USD.
func (l *Locate) TotalFee() decimal.Decimal { return l.Price.Mul(decimal.FromInt(l.LocatedQty)) }

// LocateError is why a locate, or a quote for one, is refused. Its codes are words.
type LocateError struct {
	HTTPStatus    int
	Code, Message string
}

func (e *LocateError) Error() string { return e.Message }

// LocateRequest asks for shares of a stock in round lots. A nil LimitPrice takes any fee.
type LocateRequest struct {
	Symbol     string
	Qty        int64
	LimitPrice *decimal.Decimal
	AllOrNone  bool
}

// LocateQuote is what can be located of a stock at the moment; Price is the zero value when nothing is there.
type LocateQuote struct {
	Symbol       string
	AvailableQty int64
	Price        decimal.Decimal // USD a share
	QuotedAt     time.Time
}

// roundLot is what shares are located in.
const roundLot = 100

// checkBorrowable returns a *LocateError for every symbol but those of stocks that need a locate.
func (x *Exchange) checkBorrowable(symbol string) error {
	refused := func(code, message string) error {
		return &LocateError{http.StatusUnprocessableEntity, code, message}
	}
	found, ok := x.catalogue.Find(symbol)
	switch {
	case !ok || found.Class != asset.Equity || !found.Tradable || found.Symbol != symbol:
		return refused("symbol_not_found", "symbol not found")
	case !found.Shortable:
		return refused("threshold_security", "security is on the threshold list and cannot be located")
	case x.easyToBorrow(found):
		return refused("easy_to_borrow", "security is easy-to-borrow and does not require a locate")
	case x.halts.has(symbol):
		return refused("quote_unavailable", "locate quote is unavailable for this symbol")
	default:
		return nil
	}
}

func (x *Exchange) easyToBorrow(stock *asset.Asset) bool {
	return stock.EasyToBorrow && !x.scarce.has(stock.Symbol)
}

// locateEnd is when a locate expires and the locate trading date rolls: at eight in the evening, New York.
func (x *Exchange) locateEnd(now time.Time) time.Time {
	local := now.In(x.clock.Location())
	end := time.Date(local.Year(), local.Month(), local.Day(), 20, 0, 0, 0, local.Location())
	if !local.Before(end) {
		end = end.AddDate(0, 0, 1)
	}
	return end
}

// inventory is what lenders have of a stock on a locate trading date, and their fee: from nothing to 4,900 shares for half a
// cent to five cents, by the seed.
func (x *Exchange) inventory(symbol string, now time.Time) (shares int64, fee decimal.Decimal) {
	hash := fnv.New64a()
	_, _ = fmt.Fprintf(hash, "%d|%s|%s", x.settings.Seed, symbol, x.locateEnd(now).Format(time.DateOnly)) // never fails
	dice := hash.Sum64()
	fee, err := decimal.FromInt(int64(50 + dice>>32%450)).Div64(10_000)
	if err != nil { // the divisor is not zero
		return 0, decimal.Decimal{}
	}
	return int64(dice%50) * roundLot, fee
}

// LocateQuote returns what the account could locate of a stock. A *LocateError when it needs no locate or has none.
func (a *Account) LocateQuote(symbol string) (LocateQuote, error) {
	if err := a.exchange.checkBorrowable(symbol); err != nil {
		return LocateQuote{}, err
	}
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.locateQuote(symbol, now), nil
}

func (a *Account) locateQuote(symbol string, now time.Time) LocateQuote {
	shares, fee := a.exchange.inventory(symbol, now)
	for _, located := range a.locates {
		if located.Symbol == symbol && located.Status(now) == LocateActive {
			shares -= located.LocatedQty
		}
	}
	return LocateQuote{symbol, max(0, shares), fee, now}
}

// Locate asks for shares and pays for what it gets; the answer may be a rejected locate. With an idempotency key the same request
// has the same answer. A *LocateError when it cannot be asked for.
func (a *Account) Locate(request LocateRequest, idempotencyKey string) (Locate, error) {
	if err := a.exchange.checkBorrowable(request.Symbol); err != nil {
		return Locate{}, err
	}
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	if before := a.locatedWith(idempotencyKey); before != nil {
		if !before.answers(&request) {
			return Locate{}, &LocateError{
				http.StatusUnprocessableEntity, "idempotency_key_conflict", "idempotency key was already used with a different request",
			}
		}
		return *before, nil
	}
	quote := a.locateQuote(request.Symbol, now)
	made := Locate{
		ID: uuid.NewString(), Symbol: request.Symbol, RequestedQty: request.Qty, LimitPrice: request.LimitPrice,
		AllOrNone: request.AllOrNone, CreatedAt: now, IdempotencyKey: idempotencyKey,
	}
	switch {
	case quote.AvailableQty == 0 || request.AllOrNone && quote.AvailableQty < request.Qty:
		made.Rejection = noInventory
	case request.LimitPrice != nil && request.LimitPrice.LessThan(quote.Price):
		made.Rejection = tooDear
	default:
		made.LocatedQty, made.Price, made.ExpiresAt = min(request.Qty, quote.AvailableQty), quote.Price, a.exchange.locateEnd(now)
		if made.TotalFee().GreaterThan(a.cashPower(a.value(now))) {
			return Locate{}, &LocateError{
				http.StatusUnprocessableEntity, "insufficient_buying_power", "insufficient buying power to cover locate fee",
			}
		}
		stock, _ := a.exchange.catalogue.Find(made.Symbol)
		a.adjustCash(LocateFee, stock, made.TotalFee().Neg(), made.ID, now)
	}
	a.locates = append(a.locates, &made)
	return made, nil
}

func (a *Account) locatedWith(idempotencyKey string) *Locate {
	at := slices.IndexFunc(a.locates, func(l *Locate) bool { return idempotencyKey != "" && l.IdempotencyKey == idempotencyKey })
	if at < 0 {
		return nil
	}
	return a.locates[at]
}

func (l *Locate) answers(r *LocateRequest) bool {
	same := (l.LimitPrice == nil) == (r.LimitPrice == nil) && (l.LimitPrice == nil || l.LimitPrice.Equal(*r.LimitPrice))
	return same && l.Symbol == r.Symbol && l.RequestedQty == r.Qty && l.AllOrNone == r.AllOrNone
}

// Locates returns all locates of the account, newest first.
func (a *Account) Locates() []Locate {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]Locate, 0, len(a.locates))
	for _, located := range slices.Backward(a.locates) {
		list = append(list, *located)
	}
	return list
}

// unsold is how many located shares of a stock were not sold short yet.
func (a *Account) unsold(symbol string, now time.Time) decimal.Decimal {
	var left decimal.Decimal
	for _, located := range a.locates {
		if located.Symbol == symbol && located.Status(now) == LocateActive {
			left = left.Add(decimal.FromInt(located.LocatedQty).Sub(located.Used))
		}
	}
	return left
}

// isLocated reports whether a short sale of a stock that is hard to borrow has shares behind it, next to the other orders that
// sell it short.
func (a *Account) isLocated(candidate *entry, now time.Time) bool {
	need := candidate.remaining()
	for _, open := range a.open[candidate.queue()] {
		if open.Intent == SellToOpen && open != candidate && open != candidate.replaces {
			need = need.Add(open.remaining())
		}
	}
	return need.LessThanOrEqual(a.unsold(candidate.Asset.Symbol, now))
}

// useLocate takes shares that were sold short from the oldest locates.
func (a *Account) useLocate(e *entry, qty decimal.Decimal, now time.Time) {
	if e.Intent != SellToOpen || e.Asset.Class != asset.Equity || a.exchange.easyToBorrow(e.Asset) {
		return
	}
	for _, located := range a.locates {
		if located.Symbol == e.Asset.Symbol && located.Status(now) == LocateActive {
			taken := minimum(qty, decimal.FromInt(located.LocatedQty).Sub(located.Used))
			located.Used, qty = located.Used.Add(taken), qty.Sub(taken)
		}
	}
}

// lostLocate reports whether an order sells a stock short that was hard to borrow all along, and its locate has expired.
func (a *Account) lostLocate(e *entry, now time.Time) bool {
	return e.Intent == SellToOpen && e.Asset.Class == asset.Equity && !e.Asset.EasyToBorrow && !a.isLocated(e, now)
}
