package exchange

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// ErrState is returned for a saved state that does not fit; the text says where.
var ErrState = errors.New("invalid state")

// SavedState is everything that an Exchange knows, without secrets: accounts are found again by key ID.
type SavedState struct {
	Accounts []SavedAccount `json:"accounts"`
	Halted   []string       `json:"halted"`
	// Offered and HardToBorrow are stocks with the moment since when they are.
	Offered      map[string]time.Time `json:"offered,omitempty"`
	HardToBorrow map[string]time.Time `json:"hard_to_borrow,omitempty"`
}

// SavedAccount is one account in a SavedState. Amounts are USD, quantities shares.
type SavedAccount struct {
	KeyID         string          `json:"key_id"`
	Configuration Configuration   `json:"configuration"`
	Restriction   Restriction     `json:"restriction"`
	Privilege     Privilege       `json:"privilege"`
	DayTrading    dayTrading      `json:"day_trading"`
	Locates       []Locate        `json:"locates,omitempty"`
	Intraday      IntradayMargin  `json:"intraday_margin"`
	Cash          decimal.Decimal `json:"cash"`
	Reserved      decimal.Decimal `json:"reserved"`
	ReservedCash  decimal.Decimal `json:"reserved_cash"`
	LastEquity    decimal.Decimal `json:"last_equity"`
	LastMargin    decimal.Decimal `json:"last_margin"`
	LastClose     time.Time       `json:"last_close"`
	Dice          []byte          `json:"dice"`
	Holdings      []SavedHolding  `json:"holdings"`
	Orders        []SavedOrder    `json:"orders"`
	Events        []SavedEvent    `json:"events"`
	Watchlists    []Watchlist     `json:"watchlists"`
	EventTime     time.Time       `json:"event_time"`
}

// SavedHolding is a position.
type SavedHolding struct {
	Symbol       string          `json:"symbol"`
	Qty          decimal.Decimal `json:"qty"`
	Cost         decimal.Decimal `json:"cost"`
	OvernightQty decimal.Decimal `json:"overnight_qty"`
	NotExercised decimal.Decimal `json:"not_exercised"`
	Dismissed    bool            `json:"dismissed,omitempty"`
}

// SavedOrder is an order with its ties to others, which are named by ID.
type SavedOrder struct {
	Terms        Terms            `json:"terms"`
	Symbol       string           `json:"symbol"`
	State        State            `json:"state"`
	ReservePrice decimal.Decimal  `json:"reserve_price"`
	FilledCost   decimal.Decimal  `json:"filled_cost"`
	Reserved     decimal.Decimal  `json:"reserved"`
	Triggered    bool             `json:"triggered"`
	Resting      bool             `json:"resting"`
	Queued       bool             `json:"queued"`
	Liquidates   bool             `json:"liquidates,omitempty"`
	Commission   *decimal.Decimal `json:"commission,omitempty"`
	Replacement  string           `json:"replacement,omitempty"`
	Opening      string           `json:"opening,omitempty"`
	Profit       string           `json:"profit,omitempty"`
	Stop         string           `json:"stop,omitempty"`
}

// Save returns the present state. Every account is consistent in itself.
func (x *Exchange) Save() (SavedState, error) {
	saved := SavedState{Halted: x.Halted(), Offered: x.offerings.all(), HardToBorrow: x.scarce.all()}
	for _, a := range x.Accounts() {
		account, err := a.save()
		if err != nil {
			return SavedState{}, err
		}
		saved.Accounts = append(saved.Accounts, account)
	}
	return saved, nil
}

func (a *Account) save() (SavedAccount, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dice, err := a.source.MarshalBinary()
	if err != nil {
		return SavedAccount{}, fmt.Errorf("account %s: %w", a.ID, err)
	}
	saved := SavedAccount{
		KeyID: a.KeyID, Configuration: a.configuration, Restriction: a.restriction, Privilege: a.privilege, Cash: a.cash, DayTrading: a.dayTrading.clone(), Intraday: a.intraday.clone(), Reserved: a.reserved, ReservedCash: a.reservedCash,
		LastEquity: a.lastEquity,
		LastMargin: a.lastMargin, LastClose: a.lastClose, Dice: dice, EventTime: a.history.last,
	}
	for symbol, held := range a.holdings {
		saved.Holdings = append(saved.Holdings, SavedHolding{
			symbol, held.qty, held.cost, held.overnightQty, held.notExercised, held.dismissed,
		})
	}
	slices.SortFunc(saved.Holdings, func(x, y SavedHolding) int { return strings.Compare(x.Symbol, y.Symbol) })
	for _, list := range a.watchlists {
		saved.Watchlists = append(saved.Watchlists, list.clone())
	}
	for _, located := range a.locates {
		saved.Locates = append(saved.Locates, *located)
	}
	for _, e := range a.submitted {
		saved.Orders = append(saved.Orders, e.save())
	}
	for _, event := range a.events() {
		saved.Events = append(saved.Events, event.save())
	}
	return saved, nil
}

func (e *entry) save() SavedOrder {
	saved := SavedOrder{
		Terms: *e.Terms, Symbol: e.Asset.Symbol, State: e.State, ReservePrice: e.reservePrice, FilledCost: e.filledCost,
		Reserved: e.reserved, Triggered: e.triggered, Resting: e.resting, Queued: e.queued.Load(), Liquidates: e.liquidates,
		Commission:  e.commission,
		Replacement: idOf(e.replacement),
	}
	if f := e.family; f != nil {
		saved.Opening, saved.Profit, saved.Stop = idOf(f.opening), idOf(f.profit), idOf(f.stop)
	}
	return saved
}

func idOf(e *entry) string {
	if e == nil {
		return ""
	}
	return e.ID
}

// Reset brings every account back to how it was opened; open event streams go on.
func (x *Exchange) Reset() {
	for _, marked := range []*marks{&x.halts, &x.offerings, &x.scarce} {
		marked.replace(nil)
	}
	for _, a := range x.Accounts() {
		a.mu.Lock()
		a.clear()
		a.mu.Unlock()
	}
}

// clear forgets everything but who the account is. Steps of its orders that are still to come find them gone.
func (a *Account) clear() {
	for _, e := range a.submitted {
		a.exchange.book.remove(e)
	}
	a.cash, a.reserved, a.reservedCash = a.opening, decimal.Decimal{}, decimal.Decimal{}
	a.configuration, a.restriction, a.privilege, a.firstExpiry = a.exchange.defaultConfiguration(), Restriction{}, Privilege{}, time.Time{}
	a.dayTrading, a.locates, a.intraday = dayTrading{}, nil, IntradayMargin{}
	a.holdings, a.orders, a.byClientID = make(map[string]*holding), make(map[string]*entry), make(map[string]*entry)
	a.submitted, a.open = nil, make(map[queue][]*entry)
	a.lastEquity, a.lastMargin = a.opening, decimal.Decimal{}
	a.lastClose = a.exchange.clock.Calendar.PreviousClose(a.exchange.clock.Now())
	a.watchlists = nil
	a.history.first += len(a.history.records)
	a.history.records = nil
}

// Restore brings the exchange to a saved state, whose accounts must all be open here. ErrState when it does not fit;
// nothing has changed then.
func (x *Exchange) Restore(saved SavedState) error {
	built := make([]*Account, 0, len(saved.Accounts))
	for _, account := range saved.Accounts {
		target, ok := x.Account(account.KeyID)
		if !ok {
			return fmt.Errorf("%w: key ID %q has no account here", ErrState, account.KeyID)
		}
		scratch, err := target.rebuild(account)
		if err != nil {
			return err
		}
		built = append(built, scratch)
	}
	x.Reset()
	for _, symbol := range saved.Halted {
		x.Halt(symbol)
	}
	x.offerings.replace(saved.Offered)
	x.scarce.replace(saved.HardToBorrow)
	for _, scratch := range built {
		if target, ok := x.Account(scratch.KeyID); ok {
			target.take(scratch)
		}
	}
	return nil
}

// rebuild makes an account of saved parts that belongs to nobody yet.
func (a *Account) rebuild(saved SavedAccount) (*Account, error) {
	scratch := &Account{
		KeyID: a.KeyID, configuration: saved.Configuration, restriction: saved.Restriction, privilege: saved.Privilege, dayTrading: saved.DayTrading, intraday: saved.Intraday,
		cash: saved.Cash, reserved: saved.Reserved, reservedCash: saved.ReservedCash,
		lastEquity: saved.LastEquity, lastMargin: saved.LastMargin, lastClose: saved.LastClose, source: &rand.PCG{},
		holdings: make(map[string]*holding), orders: make(map[string]*entry), byClientID: make(map[string]*entry),
		open: make(map[queue][]*entry),
	}
	if err := scratch.source.UnmarshalBinary(saved.Dice); err != nil {
		return nil, fmt.Errorf("%w: dice of %q: %w", ErrState, a.KeyID, err)
	}
	for _, held := range saved.Holdings {
		listed, ok := a.exchange.catalogue.Find(held.Symbol)
		if !ok {
			return nil, fmt.Errorf("%w: unknown symbol %q", ErrState, held.Symbol)
		}
		scratch.holdings[listed.Symbol] = &holding{
			listed, held.Qty, held.Cost, held.OvernightQty, held.NotExercised, held.Dismissed,
		}
		scratch.noteExpiry(listed)
	}
	for _, located := range saved.Locates {
		scratch.locates = append(scratch.locates, &located)
	}
	for i := range saved.Orders {
		if err := scratch.rebuildOrder(a, &saved.Orders[i]); err != nil {
			return nil, err
		}
	}
	for _, e := range scratch.submitted {
		if e.combo != nil && len(e.combo.legs) < minLegs {
			return nil, fmt.Errorf("%w: multi-leg order %q has no legs", ErrState, e.ID)
		}
	}
	scratch.tie(saved.Orders)
	for _, list := range saved.Watchlists {
		scratch.watchlists = append(scratch.watchlists, &list)
	}
	scratch.history.last = saved.EventTime
	for _, event := range saved.Events {
		rebuilt, err := scratch.rebuildEvent(&event, a.exchange)
		if err != nil {
			return nil, err
		}
		scratch.history.records = append(scratch.history.records, rebuilt)
	}
	return scratch, nil
}

func (a *Account) rebuildOrder(owner *Account, saved *SavedOrder) error {
	listed, ok := owner.exchange.combination, saved.Terms.Class == MultiLeg && saved.Terms.Parent == ""
	if !ok {
		listed, ok = owner.exchange.catalogue.Find(saved.Symbol)
	}
	if !ok {
		return fmt.Errorf("%w: unknown symbol %q", ErrState, saved.Symbol)
	}
	if saved.Terms.Qty == nil && saved.Terms.Notional == nil {
		return fmt.Errorf("%w: order %q has neither qty nor notional", ErrState, saved.Terms.ID)
	}
	terms := saved.Terms
	terms.Asset, terms.reservePrice = listed, saved.ReservePrice
	e := &entry{Terms: &terms, State: saved.State, account: owner, reserved: saved.Reserved, triggered: saved.Triggered, liquidates: saved.Liquidates}
	e.commission = saved.Commission
	e.filledCost = saved.FilledCost
	e.queued.Store(saved.Queued)
	if listed == owner.exchange.combination {
		e.combo = &combo{}
	}
	if terms.Parent != "" {
		e.parent = a.orders[terms.Parent]
		if e.parent == nil || e.parent.combo == nil || terms.RatioQty == nil || listed.Contract == nil {
			return fmt.Errorf("%w: leg %q belongs to no multi-leg order", ErrState, terms.ID)
		}
		e.parent.combo.legs = append(e.parent.combo.legs, e)
	}
	a.register(e)
	return nil
}

// tie connects orders with those that replace them and with their families, and puts the live ones into the open list.
func (a *Account) tie(saved []SavedOrder) {
	families := make(map[[3]string]*family)
	for i, record := range saved {
		e := a.submitted[i]
		e.replaces = a.orders[e.Replaces]
		e.replacement = a.orders[record.Replacement]
		key := [3]string{record.Opening, record.Profit, record.Stop}
		if key == [3]string{} {
			continue
		}
		if families[key] == nil {
			families[key] = &family{a.orders[record.Opening], a.orders[record.Profit], a.orders[record.Stop]}
		}
		e.family = families[key]
	}
	for _, e := range a.submitted {
		waits := e.replaces != nil && e.replaces.replacement == e
		if !e.Status.Terminal() && e.Status != StatusHeld && !waits && e.parent == nil {
			a.open[e.queue()] = append(a.open[e.queue()], e)
		}
	}
}

// take makes the scratch account's content this account's, and sends its orders on their way again.
func (a *Account) take(scratch *Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.configuration, a.cash, a.reserved = scratch.configuration, scratch.cash, scratch.reserved
	a.reservedCash, a.firstExpiry, a.restriction = scratch.reservedCash, scratch.firstExpiry, scratch.restriction
	a.privilege, a.dayTrading, a.locates = scratch.privilege, scratch.dayTrading, scratch.locates
	a.intraday = scratch.intraday
	a.lastEquity, a.lastMargin, a.lastClose = scratch.lastEquity, scratch.lastMargin, scratch.lastClose
	a.holdings, a.orders, a.byClientID = scratch.holdings, scratch.orders, scratch.byClientID
	a.submitted, a.open, a.watchlists = scratch.submitted, scratch.open, scratch.watchlists
	*a.source = *scratch.source
	a.history.records = scratch.history.records
	if scratch.history.last.After(a.history.last) {
		a.history.last = scratch.history.last
	}
	for subscription := range a.history.subscriptions {
		subscription.next = a.history.first + len(a.history.records)
	}
	for _, e := range a.submitted {
		a.resume(e)
	}
}

// resume schedules the next step of an order whose step got lost with the old state.
func (a *Account) resume(e *entry) {
	waits := e.replaces != nil && e.replaces.replacement == e
	switch {
	case e.Status.Terminal() || e.parent != nil:
	case waits:
		a.later(a.acknowledgeDelay(e), e, a.completeReplacement)
	case e.Status == StatusPendingCancel:
		a.later(a.acknowledgeDelay(e), e, a.confirmCancel)
	case e.Status == StatusPendingNew:
		a.later(a.acknowledgeDelay(e), e, a.acknowledge)
		a.later(a.fillDelay(e), e, a.look)
	case e.Status != StatusHeld || a.watched(e):
		a.exchange.book.rest(e)
	}
}

// watched reports whether a held order is a stop whose shares are there.
func (a *Account) watched(e *entry) bool {
	f := e.family
	return f != nil && f.stop == e && (f.opening == nil || f.opening.Status == StatusFilled)
}
