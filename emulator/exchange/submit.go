package exchange

import (
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Submit places an order and returns it as Alpaca's answer shows it: pending_new while the market is open, else
// accepted. A *wire.Error when a rule refuses it; nothing has changed then.
func (a *Account) Submit(request OrderRequest) (Order, error) {
	if err := a.exchange.checkShape(&request); err != nil {
		return Order{}, err
	}
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	if request.Class == MultiLeg {
		return a.submitCombo(&request, now)
	}
	return a.submit(request, now)
}

func (a *Account) submit(request OrderRequest, now time.Time) (Order, error) {
	if err := a.claimable(request.ClientOrderID); err != nil {
		return Order{}, err
	}
	listed, ok := a.exchange.catalogue.Find(request.Symbol)
	if !ok {
		return Order{}, a.exchange.unknown(request.Symbol)
	}
	if err := a.exchange.checkAsset(&request, listed, now); err != nil {
		return Order{}, err
	}
	if err := a.checkState(request.fractional()); err != nil {
		return Order{}, err
	}
	if err := a.checkPrivileges(&request); err != nil {
		return Order{}, err
	}
	if err := a.exchange.checkAuction(request.TimeInForce, now); err != nil {
		return Order{}, err
	}
	candidate := a.draft(request, listed, now)
	if intent := request.Intent; intent != "" && intent != candidate.Intent {
		return Order{}, wire.Unprocessable("position intent mismatch, inferred: %s, specified: %s", candidate.Intent, intent)
	}
	marketPrice := a.exchange.market.Price(listed, now)
	if err := request.checkLegs(candidate, a.positionQty(listed.Symbol), marketPrice); err != nil {
		return Order{}, err
	}
	if err := a.admit(candidate, now); err != nil {
		return Order{}, err
	}
	a.found(request, candidate, now)
	return a.accept(candidate, now), nil
}

// unknown is the refusal of a symbol that nothing has.
func (x *Exchange) unknown(symbol string) error {
	switch {
	case asset.IsContractSymbol(symbol) && !asset.IsContractDate(symbol):
		return wire.Unprocessable("invalid contract")
	case asset.IsContractSymbol(symbol) && !x.catalogue.HasRoot(symbol):
		return wire.Unprocessable("underlying asset %q not found", asset.RootOf(symbol))
	case asset.IsContractSymbol(symbol):
		return wire.Unprocessable("contract %q not found", symbol)
	case !isSymbol(symbol):
		return wire.Unprocessable("invalid symbol")
	default:
		return wire.Unprocessable("asset %q not found", symbol)
	}
}

// claimable refuses a client order ID that any order of the account ever had, or, where that is chosen, an open one has.
func (a *Account) claimable(clientOrderID string) error {
	if clientOrderID == "" {
		return nil
	}
	before, taken := a.byClientID[clientOrderID]
	if !taken || a.exchange.settings.Disputed.ReusableClientOrderIDs && before.Status.Terminal() {
		return nil
	}
	return wire.Shape("client_order_id must be unique")
}

// isSymbol reports whether text could be the symbol of anything.
func isSymbol(text string) bool {
	const longest = 36 // an asset ID
	for _, letter := range text {
		switch {
		case letter >= 'A' && letter <= 'Z', letter >= 'a' && letter <= 'z', letter >= '0' && letter <= '9':
		case letter == '.' || letter == '/' || letter == '-':
		default:
			return false
		}
	}
	return len(text) <= longest
}

// admit applies the rules that need the account: wash trades, quantity and buying power.
func (a *Account) admit(candidate *entry, now time.Time) error {
	if err := a.restriction.check(candidate.Intent.opens()); err != nil {
		return err
	}
	if err := a.checkDayTrades(candidate, now); err != nil {
		return err
	}
	if err := a.checkWash(candidate); err != nil {
		return err
	}
	if err := a.checkOpposite(candidate); err != nil {
		return err
	}
	if err := a.checkAvailable(candidate, candidate.replaces); err != nil {
		return err
	}
	if err := a.checkStacked(candidate, now); err != nil {
		return err
	}
	if candidate.Asset.Class == asset.Option {
		return a.admitOption(candidate, now)
	}
	if !candidate.Intent.opens() {
		return nil
	}
	v := a.value(now)
	if err := a.checkConcentration(v); err != nil {
		return err
	}
	if err := a.checkShort(candidate, v.equity, now); err != nil {
		return err
	}
	if candidate.Asset.Class == asset.Crypto {
		return a.checkCryptoCost(candidate, v)
	}
	if err := a.checkFreeze(candidate, v, now); err != nil {
		return err
	}
	if err := a.checkDayTradingPower(candidate, now); err != nil {
		return err
	}
	return a.checkBuyingPower(candidate, a.nightPower(a.buyingPower(v), candidate, v, now))
}

// draft turns a request into an order that is not part of the account yet.
func (a *Account) draft(request OrderRequest, listed *asset.Asset, now time.Time) *entry {
	e := a.draftTerms(&request, listed, now)
	if e.Type == TrailingStop {
		e.trail(a.exchange.market.Price(listed, now))
	}
	e.reservePrice = a.exchange.reservePrice(e, now)
	return e
}

func (a *Account) draftTerms(request *OrderRequest, listed *asset.Asset, now time.Time) *entry {
	clientOrderID := request.ClientOrderID
	if clientOrderID == "" {
		clientOrderID = uuid.NewString()
	}
	terms := &Terms{
		ID: uuid.NewString(), ClientOrderID: clientOrderID, CreatedAt: now, Asset: listed, Type: request.Type,
		Class: request.Class,
		Side:  request.Side, TimeInForce: request.TimeInForce,
		Qty: request.Qty.Value, Notional: request.Notional.Value, LimitPrice: request.LimitPrice.Value,
		TrailPrice: request.TrailPrice.Value, TrailPercent: request.TrailPercent.Value,
		ExtendedHours: request.ExtendedHours, ExpiresAt: a.exchange.expiry(request, now),
	}
	if listed.Symbol != "" {
		terms.Intent = a.intentOf(request.Side, listed.Symbol)
	}
	if c := listed.Contract; c != nil && c.LastTrade.Before(terms.ExpiresAt) {
		terms.ExpiresAt = c.LastTrade
	}
	return &entry{Terms: terms, account: a, liquidates: a.liquidating, commission: request.Commission.Value, State: State{
		Status: StatusPendingNew, StopPrice: request.StopPrice.Value, UpdatedAt: now,
	}}
}

// intentOf infers whether an order opens or closes.
func (a *Account) intentOf(side Side, symbol string) Intent {
	position := a.positionQty(symbol)
	switch {
	case side == Buy && position.IsNeg():
		return BuyToClose
	case side == Buy:
		return BuyToOpen
	case position.IsPos():
		return SellToClose
	default:
		return SellToOpen
	}
}

// reservePrice is what a share of the order takes from the buying power: the limit when there is one, else the far
// side of the quote; a short sale takes at least 3 % more than the ask (Alpaca's orders page).
func (x *Exchange) reservePrice(e *entry, now time.Time) decimal.Decimal {
	if e.Asset.Class == asset.Option {
		return decimal.Decimal{} // what it holds depends on what the account has, see holdForOption
	}
	price := x.buyingPrice(e.Asset, now)
	switch {
	case e.Side == Sell && e.Intent.opens():
		price = x.quote(e.Asset, now).AskPrice.Mul(decimal.MustParse("1.03"))
		if e.LimitPrice != nil && e.LimitPrice.GreaterThan(price) {
			price = *e.LimitPrice
		}
	case e.LimitPrice != nil:
		price = *e.LimitPrice
	case e.StopPrice != nil && e.Side == Buy:
		price = collar(*e.StopPrice)
	}
	return price
}

// buyingPrice is what a share is taken to cost without a limit: the far side of the quote in the regular session, its
// middle in extended hours, the last trade when the market is closed (Alpaca's orders page).
func (x *Exchange) buyingPrice(traded *asset.Asset, now time.Time) decimal.Decimal {
	if traded.Class == asset.Equity && x.clock.Phase(now) == session.Closed {
		return x.market.Price(traded, now)
	}
	quote := x.market.Quote(traded, now)
	if traded.Class == asset.Crypto || x.clock.Phase(now) == session.Regular {
		return quote.AskPrice
	}
	return quote.AskPrice.Add(quote.BidPrice).Mul(decimal.MustParse("0.5"))
}

// collar is the limit that Alpaca gives a buy stop: 4 % above a stop price under 50 USD, else 2.5 %.
func collar(stop decimal.Decimal) decimal.Decimal {
	if stop.LessThan(decimal.FromInt(50)) {
		return stop.Mul(decimal.MustParse("1.04")).RoundHAZ(4)
	}
	return stop.Mul(decimal.MustParse("1.025")).RoundHAZ(2)
}

func (x *Exchange) expiry(request *OrderRequest, now time.Time) time.Time {
	calendar := x.clock.Calendar
	switch {
	case request.TimeInForce == AtOpen:
		return calendar.NextOpen(now)
	case request.TimeInForce == GoodTillCanceled:
		return calendar.GoodTillCanceledEnd(now)
	case request.ExtendedHours:
		return calendar.NextSessionClose(now)
	default:
		return calendar.NextClose(now)
	}
}

// accept makes the order part of the account and sends it on its way.
func (a *Account) accept(e *entry, now time.Time) Order {
	a.register(e)
	a.activate(e)
	a.registerLegs(e, now)
	if !a.eligible(e, now) || a.exchange.clock.Overnight(now) && a.halted(e) {
		e.Status = StatusAccepted
		e.queued.Store(true)
		a.emit("accepted", e, now)
		a.exchange.book.rest(e)
		a.guard(e)
		return e.nested()
	}
	a.emit(string(StatusPendingNew), e, now)
	a.guard(e)
	answer := e.nested()
	if a.exchange.settings.FillLatency < 0 {
		a.acknowledge(e, now)
		a.look(e, now)
		return answer
	}
	a.later(a.acknowledgeDelay(e), e, a.acknowledge)
	a.later(a.fillDelay(e), e, a.look)
	return answer
}

// register gives the order its place under its IDs.
func (a *Account) register(e *entry) {
	a.orders[e.ID] = e
	a.byClientID[e.ClientOrderID] = e
	e.number = len(a.submitted)
	a.submitted = append(a.submitted, e)
}

// activate lets the order count against buying power and shares.
func (a *Account) activate(e *entry) {
	a.open[e.queue()] = append(a.open[e.queue()], e)
	a.reserve(e)
}

// later runs a step of the order's life under the account's lock after a delay.
func (a *Account) later(delay time.Duration, e *entry, run func(*entry, time.Time)) {
	a.exchange.agenda.after(delay, func() {
		now := a.exchange.clock.Now()
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.orders[e.ID] != e {
			return // the account was reset
		}
		a.advance(now)
		run(e, now)
	})
}
