package exchange

import (
	"crypto/sha256"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Account is one paper account. All methods may be called concurrently.
type Account struct {
	ID        string
	KeyID     string
	Number    string
	CreatedAt time.Time

	secret   [sha256.Size]byte
	exchange *Exchange

	mu            sync.Mutex
	configuration Configuration
	restriction   Restriction
	privilege     Privilege
	dayTrading    dayTrading
	locates       []*Locate // oldest first
	intraday      IntradayMargin
	cash          decimal.Decimal
	reserved      decimal.Decimal // buying power that open orders hold
	reservedCash  decimal.Decimal // cash that open orders in crypto and options hold
	holdings      map[string]*holding
	history       history
	watchlists    []*Watchlist
	opening       decimal.Decimal // cash at the start
	liquidating   bool            // all positions are being closed together, so that shares need not stay for calls
	firstExpiry   time.Time       // of the options held; zero: none
	dice          *rand.Rand
	source        *rand.PCG // of dice

	orders     map[string]*entry // by ID
	byClientID map[string]*entry // for ever: Alpaca never lets one be used again
	submitted  []*entry          // in order of submission
	open       map[queue][]*entry

	lastEquity decimal.Decimal // at lastClose
	lastClose  time.Time       // the close before the present trading date
	lastMargin decimal.Decimal // maintenance margin at lastClose
}

// queue is where an account's open orders wait: apart by side, because a new order is compared with the other side only.
type queue struct {
	symbol string
	side   Side
}

// Summary is the answer to GET /v2/account. Amounts are USD.
type Summary struct {
	ID, Number                               string
	CreatedAt                                time.Time
	Configuration                            Configuration
	Restriction                              Restriction
	Cash, Equity, LastEquity                 decimal.Decimal
	LongMarketValue, ShortMarketValue        decimal.Decimal
	BuyingPower, RegulationTBuyingPower      decimal.Decimal
	NonMarginableBuyingPower                 decimal.Decimal
	InitialMargin, MaintenanceMargin         decimal.Decimal
	LastMaintenanceMargin, SpecialMemorandum decimal.Decimal
	Multiplier                               int64
	OptionLevel                              int
	DayTrading                               *DayTradingSummary // nil: not written
	ShortingEnabled                          bool
	BalanceAsOf                              string
}

// Summary returns the account's money at this moment.
func (a *Account) Summary() Summary {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	v := a.value(now)
	s := Summary{
		ID: a.ID, Number: a.Number, CreatedAt: a.CreatedAt, Configuration: a.configuration,
		Restriction: a.restriction, Cash: a.cash,
		Equity: v.equity, LastEquity: a.lastEquity, LongMarketValue: v.long, ShortMarketValue: v.short,
		BuyingPower: a.buyingPower(v), InitialMargin: initialMargin(v), MaintenanceMargin: maintenanceMargin(v),
		LastMaintenanceMargin: a.lastMargin, Multiplier: a.multiplier(v.equity),
		OptionLevel: a.optionLevel(), DayTrading: a.dayTradingSummary(now),
		ShortingEnabled: a.shortingEnabled(v.equity), BalanceAsOf: a.lastClose.Format(time.DateOnly),
	}
	excess := v.equity.Sub(s.InitialMargin)
	s.SpecialMemorandum = positive(excess)
	s.NonMarginableBuyingPower = a.cashPower(v)
	s.RegulationTBuyingPower = a.regulationTPower(v)
	return s
}

func minimum(a, b decimal.Decimal) decimal.Decimal {
	if a.LessThan(b) {
		return a
	}
	return b
}

// advance brings the account's money to the present: every entry to it calls this first.
func (a *Account) advance(now time.Time) {
	a.rollOver(now)
	a.expireOptions(now)
}

// rollOver remembers what the account was worth at the last close, once a trading date. It comes first,
// so that the positions are still those of that close.
func (a *Account) rollOver(now time.Time) {
	calendar := a.exchange.clock.Calendar
	if now.Sub(a.lastClose) < time.Hour || !calendar.PreviousClose(now).After(a.lastClose) {
		return
	}
	a.lastClose = calendar.PreviousClose(now)
	v := a.value(a.lastClose)
	a.lastEquity, a.lastMargin = v.equity, maintenanceMargin(v)
	a.callMargin(v)
	for _, held := range a.holdings {
		held.overnightQty = held.qty
	}
}

// Cash returns the account's cash, USD.
func (a *Account) Cash() decimal.Decimal {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cash
}

// checkState refuses orders of an account that may not trade.
func (a *Account) checkState(fractional bool) error {
	if a.configuration.SuspendTrade {
		return wire.Forbidden("new orders are rejected by user request")
	}
	if fractional && !a.configuration.FractionalTrading {
		return wire.Forbidden("fractional trading is disabled for this account")
	}
	return nil
}
