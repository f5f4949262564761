package order

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

//go:embed ledger.lua
var ledgerLua string

//go:embed ledgerstate.lua
var ledgerStateLua string

const (
	// ledgerLife is how long a reading is kept that nobody renews.
	ledgerLife = 48 * time.Hour
	// mostOpenOrders is how many orders Alpaca lists at once.
	mostOpenOrders = 500
)

// ledger keeps what the risk controls know of the accounts in Redis: money, positions, and what each open order may
// still do. Safe for concurrent use.
type ledger struct {
	platform *platform.Platform
	keep     *redis.Script
	known    *redis.Script
	flights  singleflight.Group

	mu    sync.Mutex
	later map[string]bool // accounts that are being read beside their orders
}

func newLedger(p *platform.Platform) *ledger {
	return &ledger{
		platform: p, keep: store.NewScript(ledgerLua), known: store.NewScript(ledgerStateLua), later: make(map[string]bool),
	}
}

// refreshLater reads an account anew beside its orders, once at a time.
func (l *ledger) refreshLater(account vault.Account) {
	l.mu.Lock()
	busy := l.later[account.ID]
	l.later[account.ID] = true
	l.mu.Unlock()
	if busy {
		return
	}
	l.platform.Go(func(ctx context.Context) {
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			delete(l.later, account.ID)
		}()
		if err := l.read(ctx, account); err != nil && ctx.Err() == nil {
			l.platform.Logger.Info("account not read beside its orders", zap.String("account_id", account.ID), zap.Error(err))
		}
	})
}

// refresh reads the account anew, once for all who ask at the same time, and returns what is known then for an order, which
// is itself held under the ID without and left out, as the one that it replaces is, whose ID is former.
func (l *ledger) refresh(ctx context.Context, account vault.Account, o *risk.Order, without, former string) (risk.State, error) {
	_, err, _ := l.flights.Do(account.ID, func() (any, error) { return nil, l.read(ctx, account) })
	if err != nil {
		return risk.State{}, err
	}
	return l.state(ctx, account.ID, o, without, former)
}

// read asks Alpaca: first for the open orders, then for money and positions, so that an order which is filled meanwhile
// counts twice rather than not at all.
func (l *ledger) read(ctx context.Context, account vault.Account) error {
	ctx, cancel := context.WithTimeout(ctx, l.platform.Config.UpstreamTimeout)
	defer cancel()
	asOf, err := store.Now(ctx, l.platform.Redis)
	if err != nil {
		return err
	}
	// An order waits for this: it is as urgent as the order.
	ctx = alpaca.WithPriority(ctx, alpaca.PriorityOrder)
	open, all, err := l.orders(ctx, &account, alpaca.OrdersQuery{Status: "open", Limit: mostOpenOrders})
	if err != nil {
		return err
	}
	var money *alpaca.Account
	var positions []alpaca.Position
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		money, err = l.platform.Alpaca.Account(inner, account.Credentials)
		return err
	})
	group.Go(func() (err error) {
		positions, err = l.platform.Alpaca.Positions(inner, account.Credentials)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return l.write(ctx, account.ID, asOf, money, positions, open, all)
}

// orders reads a page of orders, those of several legs with these, and reports whether it is the last. Alpaca has been seen to
// leave the exits of a filled bracket out of a nested list, so that the flat one is what counts.
func (l *ledger) orders(ctx context.Context, account *vault.Account, query alpaca.OrdersQuery) (orders []alpaca.Order, all bool, err error) {
	flat, err := l.platform.Alpaca.Orders(ctx, account.Credentials, query)
	if err != nil {
		return nil, false, err
	}
	all = len(flat) < query.Limit
	if !slices.ContainsFunc(flat, func(o alpaca.Order) bool { return o.OrderClass == alpaca.ClassMultileg }) {
		return flat, all, nil
	}
	query.Nested = true
	nested, err := l.platform.Alpaca.Orders(ctx, account.Credentials, query)
	if err != nil {
		return nil, false, err
	}
	return withLegs(flat, nested), all, nil
}

// withLegs puts the legs of multi-leg orders, as the nested list has them, into the flat one, in place of their own entries there.
func withLegs(flat, nested []alpaca.Order) []alpaca.Order {
	parents, legs := make(map[string]*alpaca.Order), make(map[string]bool)
	for i := range nested {
		if o := &nested[i]; o.OrderClass == alpaca.ClassMultileg {
			parents[o.ID] = o
			for j := range o.Legs {
				legs[o.Legs[j].ID] = true
			}
		}
	}
	var orders []alpaca.Order
	for i := range flat {
		switch parent := parents[flat[i].ID]; {
		case parent != nil:
			orders = append(orders, *parent)
		case !legs[flat[i].ID]:
			orders = append(orders, flat[i])
		}
	}
	return orders
}

func (l *ledger) write(ctx context.Context, accountID string, asOf time.Time, money *alpaca.Account, positions []alpaca.Position, open []alpaca.Order, all bool) error {
	args := []any{
		asOf.UnixMilli(), money.Cash.String(), money.Equity.String(), money.LastEquity.String(), ledgerLife.Milliseconds(),
		all, len(positions),
	}
	prices := make(map[string]*decimal.Decimal, len(positions))
	for i := range positions {
		key := risk.Key(positions[i].Symbol)
		args = append(args, key, positions[i].Qty.String())
		prices[key] = positions[i].CurrentPrice
	}
	for i := range open {
		if open[i].Status == alpaca.StatusHeld { // a leg that waits for its parent
			continue
		}
		order := openOrder(&open[i])
		hold := risk.HoldOf(&order, &risk.Price{Last: prices[risk.Key(open[i].Symbol)]}) // at the market it is priced as the position
		args = append(args, open[i].ClientOrderID, hold.Encode())
		for n, leg := range order.LegHolds() {
			args = append(args, legID(open[i].ClientOrderID, n), leg.Encode())
		}
	}
	if err := l.keep.Run(ctx, l.platform.Redis, ledgerKeys(accountID), args...).Err(); err != nil {
		return fmt.Errorf("keep what is known of %s: %w", accountID, err)
	}
	return nil
}

// legID is under which ID a leg of an order is held (shared/store/lua/holds.lua); they are counted from 0.
func legID(clientOrderID string, leg int) string { return clientOrderID + "\n" + strconv.Itoa(leg+1) }

// knownOrder is an order of Alpaca's as the risk controls look at it.
func knownOrder(o *alpaca.Order) risk.Order {
	request := alpaca.OrderRequest{
		Symbol: o.Symbol, Side: o.Side, Type: o.Type, Qty: o.Qty, Notional: o.Notional, LimitPrice: o.LimitPrice, StopPrice: o.StopPrice,
	}
	multileg := o.OrderClass == alpaca.ClassMultileg
	if multileg {
		request.Legs = legsOf(o)
	}
	return risk.OrderOf(&request, o.AssetClass == event.AssetClassUSOption || multileg, o.AssetClass == event.AssetClassCrypto)
}

// openOrder is what an open order may still do.
func openOrder(o *alpaca.Order) risk.Order {
	order := knownOrder(o)
	if o.Qty != nil {
		rest := o.Qty.Sub(o.FilledQty)
		order.Qty = &rest
	}
	return order
}

// legsOf are the legs of a multi-leg order as they were asked for.
func legsOf(o *alpaca.Order) []alpaca.OrderLeg {
	legs := make([]alpaca.OrderLeg, 0, len(o.Legs))
	for i := range o.Legs {
		leg := &o.Legs[i]
		legs = append(legs, alpaca.OrderLeg{Symbol: leg.Symbol, RatioQty: leg.RatioQty, Side: leg.Side, PositionIntent: leg.PositionIntent})
	}
	return legs
}

// state reads what is known of an account for an order, and for each of its legs.
func (l *ledger) state(ctx context.Context, accountID string, o *risk.Order, without, former string) (risk.State, error) {
	args := append(make([]any, 0, 3+3*len(o.Legs)), risk.Key(o.Symbol), without, former)
	for i := range o.Legs {
		args = append(args, risk.Key(o.Legs[i].Symbol), legID(without, i), legID(former, i))
	}
	told, err := l.known.Run(ctx, l.platform.Redis, ledgerKeys(accountID), args...).StringSlice()
	if err != nil {
		return risk.State{}, fmt.Errorf("read what is known of %s: %w", accountID, err)
	}
	state := risk.ParseState(told[0])
	for _, leg := range told[1:] {
		state.Legs = append(state.Legs, risk.ParseState(leg))
	}
	return state, nil
}

func ledgerKeys(accountID string) []string {
	return []string{
		store.RiskSnapshotKey(accountID), store.RiskPositionsKey(accountID), store.HoldsKey(accountID), store.HoldSumsKey(accountID),
	}
}
