package order

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

const (
	// countEvery is how often the book of all accounts' orders is looked at; countLease how long an instance does it
	// without saying so again.
	countEvery = time.Second
	countLease = 5 * time.Second
	// compareEvery is how often each account with open orders is compared with Alpaca, countAtOnce how many are at a time,
	// compareAtOnce how many in one look: 1,000 take 20 s.
	compareEvery  = 30 * time.Second
	countAtOnce   = 8
	compareAtOnce = 50
	// inFlight is what a submit may take beyond UPSTREAM_TIMEOUT, from the grant to its arrival at Alpaca.
	inFlight = time.Second
)

// counting is where the instance is that compares the book with Alpaca. It belongs to one goroutine.
type counting struct {
	dropped bool
	// name is that of the counting under way, empty for none; begun is when it began, and done has the accounts that are
	// counted.
	name  string
	day   string
	begun time.Time
	done  map[string]bool
	// due are the accounts to compare, the orders that the book has of each beside them; next is when to begin anew.
	due  map[string][]ceiling.Kept
	next time.Time
}

// keepCeilings keeps the book of all accounts' orders true.
func (f *Function) keepCeilings(ctx context.Context) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		if err := f.countOrders(ctx); err != nil && ctx.Err() == nil {
			f.Logger.Warn("the book of all accounts' orders", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// countOrders does what is due: one instance at a time counts everything when the book is not whole, and compares it
// with Alpaca otherwise.
func (f *Function) countOrders(ctx context.Context) error {
	c := &f.ceilings.count
	if !f.Controls.Ceilings().Any() {
		return f.dropBook(ctx)
	}
	c.dropped = false
	_, err := f.Leases.Acquire(ctx, store.CeilingsLeaseKey(), countLease)
	if errors.Is(err, lease.ErrHeld) {
		*c = counting{}
		return nil
	}
	if err != nil {
		return err
	}
	whole, use, err := f.ceilings.book.State(ctx)
	if err != nil {
		return err
	}
	f.ceilings.show(&use, false)
	if !whole {
		return f.countAnew(ctx)
	}
	return f.compare(ctx)
}

// dropBook forgets the book once while there is no ceiling: the orders that are sent then would be missing in it.
func (f *Function) dropBook(ctx context.Context) error {
	if f.ceilings.count.dropped {
		return nil
	}
	if err := f.ceilings.book.Drop(ctx); err != nil {
		return err
	}
	f.ceilings.count = counting{dropped: true}
	return nil
}

// countAnew counts what all accounts have at Alpaca. It waits first until what was on its way when the book was lost has
// arrived there; until all is counted, no order is let through.
func (f *Function) countAnew(ctx context.Context) error {
	c := &f.ceilings.count
	if c.name == "" {
		started := counting{name: rand.Text(), day: f.today(), begun: f.Clock.Now(), done: make(map[string]bool)}
		if err := f.ceilings.book.Begin(ctx, started.name, started.day); err != nil {
			return err
		}
		*c = started
		f.Logger.Warn("the orders of all accounts are counted anew, no order passes until that is done")
	}
	settle := f.config.UpstreamTimeout + inFlight
	if f.Clock.Now().Sub(c.begun) < settle {
		return nil
	}
	accounts, err := f.Accounts.List(ctx)
	if err != nil {
		return err
	}
	if err := f.countAccounts(ctx, accounts); err != nil {
		if errors.Is(err, ceiling.ErrOtherCounting) {
			*c = counting{}
		}
		return err
	}
	finished, err := f.ceilings.book.Finish(ctx, c.name, max(settle, f.Controls.Ceilings().Window.Duration))
	if finished || errors.Is(err, ceiling.ErrOtherCounting) {
		*c = counting{}
	}
	if finished {
		f.Logger.Info("the orders of all accounts are counted", zap.Int("accounts", len(accounts)))
	}
	return err
}

// countAccounts counts those that are not counted yet; what failed is tried again at the next look.
func (f *Function) countAccounts(ctx context.Context, accounts []vault.Account) error {
	c := &f.ceilings.count
	begin, err := time.ParseInLocation(time.DateOnly, c.day, f.Hours.Calendar().Location())
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(countAtOnce)
	failed, counted := make([]error, len(accounts)), make([]atomic.Bool, len(accounts))
	for i := range accounts {
		if c.done[accounts[i].ID] {
			continue
		}
		group.Go(func() error {
			failed[i] = f.countAccount(ctx, &accounts[i], begin)
			counted[i].Store(failed[i] == nil)
			return nil
		})
	}
	_ = group.Wait() // each has its own error
	var left []error
	for i := range accounts {
		if counted[i].Load() {
			c.done[accounts[i].ID] = true
		}
		if errors.Is(failed[i], ceiling.ErrOtherCounting) {
			return failed[i]
		}
		if failed[i] != nil {
			left = append(left, failed[i])
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%d accounts are not counted yet, one of them: %w", len(left), left[0])
	}
	return nil
}

func (f *Function) countAccount(ctx context.Context, account *vault.Account, begin time.Time) error {
	// The orders of all accounts wait for this.
	told, err := f.toldOf(alpaca.Urgent(ctx), account, begin, alpaca.OrdersQuery{Status: "open"}, alpaca.OrdersQuery{Status: "all", After: begin})
	if errors.Is(err, alpaca.ErrUnauthorized) {
		f.Logger.Error("account not counted: Alpaca refuses its keys, so that it can't trade", zap.String("account_id", account.ID))
		return nil
	}
	if err != nil {
		return fmt.Errorf("count the orders of %s: %w", account.ID, err)
	}
	return f.ceilings.book.Adopt(ctx, f.ceilings.count.name, f.ceilings.count.day, account.ID, told)
}

// toldOf reads what Alpaca has of an account for each query, every order once.
func (f *Function) toldOf(ctx context.Context, account *vault.Account, begin time.Time, queries ...alpaca.OrdersQuery) ([]ceiling.Told, error) {
	var told []ceiling.Told
	seen := make(map[string]bool)
	for _, query := range queries {
		orders, err := f.allOrders(ctx, account, query)
		if err != nil {
			return nil, err
		}
		for _, o := range orders {
			// A leg that is held waits for its parent, one of a multi-leg order counts with that, and a rejected order was none.
			leg := o.OrderClass == alpaca.ClassMultileg && o.Symbol != ""
			if seen[o.ID] || leg || o.Status == alpaca.StatusHeld || o.Status == alpaca.StatusRejected {
				continue
			}
			seen[o.ID] = true
			open, today := !alpaca.Terminal(o.Status), !o.SubmittedAt.Before(begin)
			if !open && !today {
				continue
			}
			value, err := f.worth(ctx, &o)
			if err != nil && f.Controls.Ceilings().NeedsValue() {
				return nil, fmt.Errorf("order %s in %q: %w", o.ID, o.Symbol, err)
			}
			told = append(told, ceiling.Told{ClientOrderID: o.ClientOrderID, Value: value, Open: open, Today: today})
		}
	}
	return told, nil
}

// allOrders reads every page of a query, the legs of multi-leg orders within these.
func (f *Function) allOrders(ctx context.Context, account *vault.Account, query alpaca.OrdersQuery) ([]alpaca.Order, error) {
	query.Limit, query.Direction = mostOpenOrders, "asc"
	var all []alpaca.Order
	for {
		page, whole, err := f.ledger.orders(ctx, account, query)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if whole {
			return all, nil
		}
		query.After, query.AfterOrderID = time.Time{}, page[len(page)-1].ID
	}
}

// compare lets go of orders that ended without anybody telling, and counts those that others sent, of some accounts.
func (f *Function) compare(ctx context.Context) error {
	c := &f.ceilings.count
	c.name = ""
	if len(c.due) == 0 {
		if f.Clock.Now().Before(c.next) {
			return nil
		}
		kept, err := f.ceilings.book.Orders(ctx)
		if err != nil {
			return err
		}
		c.due, c.next = kept, f.Clock.Now().Add(compareEvery)
	}
	var group errgroup.Group
	group.SetLimit(countAtOnce)
	left := compareAtOnce
	for accountID, kept := range c.due {
		if left == 0 {
			break
		}
		left--
		delete(c.due, accountID)
		group.Go(func() error {
			if err := f.compareAccount(ctx, accountID, kept); err != nil && ctx.Err() == nil {
				f.Logger.Info("account not compared with the book of all accounts' orders", zap.String("account_id", accountID), zap.Error(err))
			}
			return nil
		})
	}
	return group.Wait()
}

// compareAccount compares one account. What the book has for less than a submit can take may be on its way, and stays.
func (f *Function) compareAccount(ctx context.Context, accountID string, kept []ceiling.Kept) error {
	asOf, err := store.Now(ctx, f.Redis)
	if err != nil {
		return err
	}
	account, err := f.Accounts.Account(ctx, accountID)
	if errors.Is(err, vault.ErrAccountNotFound) {
		return f.ceilings.book.Settle(ctx, kept) // it can't trade through us, and nobody can look at its orders
	}
	if err != nil {
		return err
	}
	day := f.today()
	begin, err := time.ParseInLocation(time.DateOnly, day, f.Hours.Calendar().Location())
	if err != nil {
		return err
	}
	told, err := f.toldOf(ctx, &account, begin, alpaca.OrdersQuery{Status: "open"})
	if err != nil {
		return err
	}
	open := make(map[string]bool, len(told))
	for i := range told {
		open[told[i].ClientOrderID] = true
	}
	var gone []ceiling.Kept
	for i := range kept {
		if !open[kept[i].ClientOrderID] && asOf.Sub(kept[i].Since) > f.config.IntentLease {
			gone = append(gone, kept[i])
		}
	}
	return errors.Join(f.ceilings.book.Settle(ctx, gone), f.ceilings.book.Adopt(ctx, "", day, accountID, told))
}
