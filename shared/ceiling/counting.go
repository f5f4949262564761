package ceiling

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// State reports whether the book is whole, and what it counts of open orders and of the day. It is not when it is new, when
// Redis lost it, and when another server has it now: the last writes may be missing then.
func (b *Book) State(ctx context.Context) (whole bool, use Use, err error) {
	keys := []string{store.CeilingsKey(), store.CeilingsOrdersKey()}
	values, err := b.state.Run(ctx, b.client, keys, life.Milliseconds()).Int64Slice()
	if err != nil {
		return false, Use{}, fmt.Errorf("look at the book of all accounts' orders: %w", err)
	}
	return values[0] == 1, Use{OpenOrders: values[1], OpenValue: usd(values[2]), DailyValue: usd(values[3])}, nil
}

// Begin begins to count anew, under a name that no other counting has. Until Finish the book lets nothing through.
func (b *Book) Begin(ctx context.Context, counting, day string) error {
	keys := []string{store.CeilingsKey(), store.CeilingsOrdersKey(), store.CeilingsWindowKey()}
	if err := b.begin.Run(ctx, b.client, keys, counting, day, life.Milliseconds()).Err(); err != nil {
		return fmt.Errorf("begin to count the orders of all accounts: %w", err)
	}
	return nil
}

// Told is an order as Alpaca tells of it.
type Told struct {
	ClientOrderID string
	Value         decimal.Decimal
	// Open says that it may still be filled, Today that it was sent in the day that is counted.
	Open, Today bool
}

// Adopt counts what Alpaca tells of an account and the book does not know. counting is the name of the counting that it
// belongs to, empty when the book is whole. ErrOtherCounting and ErrIncomplete say that it is not so any more.
func (b *Book) Adopt(ctx context.Context, counting, day, accountID string, orders []Told) error {
	args := append(make([]any, 0, 3+4*len(orders)), counting, life.Milliseconds(), day)
	for i := range orders {
		cents, err := centsOf(&orders[i].Value)
		if err != nil {
			return err
		}
		args = append(args, Order{accountID, orders[i].ClientOrderID}.name(), cents, orders[i].Open, orders[i].Today)
	}
	found, err := b.adopt.Run(ctx, b.client, []string{store.CeilingsKey(), store.CeilingsOrdersKey()}, args...).Int64()
	switch {
	case err != nil:
		return fmt.Errorf("count the orders of %s: %w", accountID, err)
	case found < 0 && counting == "":
		return ErrIncomplete
	case found < 0:
		return ErrOtherCounting
	}
	return nil
}

// Finish declares the book whole, and reports whether that could be: since Begin must have passed at least settle.
func (b *Book) Finish(ctx context.Context, counting string, settle time.Duration) (bool, error) {
	done, err := b.finishing.Run(ctx, b.client, []string{store.CeilingsKey()}, counting, settle.Microseconds()).Int64()
	if err != nil {
		return false, fmt.Errorf("finish counting the orders of all accounts: %w", err)
	}
	if done < 0 {
		return false, ErrOtherCounting
	}
	return done == 1, nil
}

// Kept is an order as the book has it.
type Kept struct {
	Order
	// Since is when it was counted, by Redis's clock.
	Since time.Time
	kept  string
}

// Orders returns every order that counts as open, by account.
func (b *Book) Orders(ctx context.Context) (map[string][]Kept, error) {
	found := make(map[string][]Kept)
	seen := make(map[string]bool) // HSCAN may repeat itself
	for cursor := uint64(0); ; {
		pairs, next, err := b.client.HScan(ctx, store.CeilingsOrdersKey(), cursor, "", scanCount).Result()
		if err != nil {
			return nil, fmt.Errorf("read the book of all accounts' orders: %w", err)
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if seen[pairs[i]] {
				continue
			}
			seen[pairs[i]] = true
			o := Kept{Order: named(pairs[i]), kept: pairs[i+1]}
			since, _, _ := strings.Cut(o.kept, "|")
			milliseconds, err := strconv.ParseInt(since, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("read the book of all accounts' orders: %w", err)
			}
			o.Since = time.UnixMilli(milliseconds)
			found[o.AccountID] = append(found[o.AccountID], o)
		}
		if cursor = next; cursor == 0 {
			return found, nil
		}
	}
}

// Settle lets orders go that Alpaca does not show as open any more, unless the book has them anew since.
func (b *Book) Settle(ctx context.Context, orders []Kept) error {
	if len(orders) == 0 {
		return nil
	}
	args := make([]any, 0, 2*len(orders))
	for i := range orders {
		args = append(args, orders[i].name(), orders[i].kept)
	}
	return b.let(ctx, false, args)
}
