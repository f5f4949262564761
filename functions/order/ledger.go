package order

import (
	"context"
	_ "embed"
	"fmt"
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

// refresh reads the account anew, once for all who ask at the same time, and returns what is known then for an order in
// symbol, the order itself left out.
func (l *ledger) refresh(ctx context.Context, account vault.Account, symbol, without string) (risk.State, error) {
	_, err, _ := l.flights.Do(account.ID, func() (any, error) { return nil, l.read(ctx, account) })
	if err != nil {
		return risk.State{}, err
	}
	return l.state(ctx, account.ID, symbol, without)
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
	open, err := l.platform.Alpaca.Orders(ctx, account.Credentials, alpaca.OrdersQuery{Status: "open", Limit: mostOpenOrders})
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
	return l.write(ctx, account.ID, asOf, money, positions, open)
}

func (l *ledger) write(ctx context.Context, accountID string, asOf time.Time, money *alpaca.Account, positions []alpaca.Position, open []alpaca.Order) error {
	args := []any{
		asOf.UnixMilli(), money.Cash.String(), money.Equity.String(), money.LastEquity.String(), ledgerLife.Milliseconds(),
		len(open) < mostOpenOrders, len(positions),
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
		hold := holdOf(&open[i], prices[risk.Key(open[i].Symbol)])
		args = append(args, open[i].ClientOrderID, hold.Encode())
	}
	if err := l.keep.Run(ctx, l.platform.Redis, ledgerKeys(accountID), args...).Err(); err != nil {
		return fmt.Errorf("keep what is known of %s: %w", accountID, err)
	}
	return nil
}

// holdOf is what an open order may still do; one at the market is priced as the position in its symbol is, if there is one.
func holdOf(o *alpaca.Order, price *decimal.Decimal) risk.Hold {
	request := alpaca.OrderRequest{
		Symbol: o.Symbol, Side: o.Side, Type: o.Type, Qty: o.Qty, Notional: o.Notional, LimitPrice: o.LimitPrice, StopPrice: o.StopPrice,
	}
	if o.Qty != nil {
		rest := o.Qty.Sub(o.FilledQty)
		request.Qty = &rest
	}
	order := risk.OrderOf(&request, o.AssetClass == event.AssetClassUSOption, o.AssetClass == event.AssetClassCrypto)
	return risk.HoldOf(&order, &risk.Price{Last: price})
}

// state reads what is known of an account.
func (l *ledger) state(ctx context.Context, accountID, symbol, without string) (risk.State, error) {
	told, err := l.known.Run(ctx, l.platform.Redis, ledgerKeys(accountID), symbol, without).Text()
	if err != nil {
		return risk.State{}, fmt.Errorf("read what is known of %s: %w", accountID, err)
	}
	return risk.ParseState(told), nil
}

func ledgerKeys(accountID string) []string {
	return []string{
		store.RiskSnapshotKey(accountID), store.RiskPositionsKey(accountID), store.HoldsKey(accountID), store.HoldSumsKey(accountID),
	}
}
