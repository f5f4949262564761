package order_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	faults "github.com/opitios-ai/alpaca-knative/emulator/fault"
	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// firm is several instances of the order function, each used by an account of its own, under ceilings over all of them.
type firm struct {
	t         *testing.T
	emulator  *emulator.Emulator
	instances []*bench
	path      string
	written   time.Time
	book      *ceiling.Book
}

func newFirm(t *testing.T, client redis.UniversalClient, instances int, ceilings string) *firm {
	t.Helper()
	f := &firm{t: t, path: filepath.Join(t.TempDir(), "controls.json"), written: opening(), book: ceiling.New(client, ceiling.Config{})}
	f.write(ceilings)
	var cfg emulator.Config
	var accounts []string
	for i := range instances {
		account := fmt.Sprintf("firm-%d-%d", names.Add(1), i)
		accounts = append(accounts, account)
		cfg.Accounts = append(cfg.Accounts, emulator.Account{KeyID: keyID(account), SecretKey: secretKey(account)})
	}
	cfg.FillLatency, cfg.PartialFillProbability, cfg.TradingLimit = -1, -1, -1
	var err error
	if f.emulator, err = emulator.New(cfg, zap.NewNop()); err != nil {
		t.Fatal(err)
	}
	if err := f.emulator.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := f.emulator.Stop(ctx); err != nil {
			t.Errorf("stop the emulator: %v", err)
		}
	})
	file := accountsFile(t, accounts...)
	for i := range instances {
		b := start(t, client, f.emulator.URL(), func(c *orderfn.Config) {
			c.AccountsFile, c.ControlsFile, c.UpstreamTimeout, c.IntentLease = file, f.path, 2*time.Second, 90*time.Second
		})
		b.account = accounts[i]
		b.token = b.issue(b.account, "trade", "account_read")
		if err := b.function.Controls.Load(); err != nil {
			t.Fatal(err)
		}
		f.instances = append(f.instances, b)
	}
	return f
}

// whole declares the book counted: nothing is at the emulator yet.
func (f *firm) whole() *firm {
	f.t.Helper()
	if err := f.book.Begin(f.t.Context(), "test", "2026-11-23"); err != nil {
		f.t.Fatal(err)
	}
	if done, err := f.book.Finish(f.t.Context(), "test", 0); !done || err != nil {
		f.t.Fatal(done, err)
	}
	return f
}

func (f *firm) write(ceilings string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(`{"all_accounts":`+ceilings+`}`), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.written = f.written.Add(time.Second)
	if err := os.Chtimes(f.path, f.written, f.written); err != nil {
		f.t.Fatal(err)
	}
}

// open is how many orders are open at the emulator in all.
func (f *firm) open() int {
	f.t.Helper()
	open := 0
	for _, b := range f.instances {
		orders, err := b.function.Alpaca.Orders(f.t.Context(), b.credentials(), alpaca.OrdersQuery{Status: "open"})
		if err != nil {
			f.t.Fatal(err)
		}
		open += len(orders)
	}
	return open
}

func (b *bench) credentials() alpaca.Credentials {
	return alpaca.Credentials{AccountID: b.account, KeyID: keyID(b.account), SecretKey: secretKey(b.account)}
}

func (f *firm) use() ceiling.Use {
	f.t.Helper()
	_, use, err := f.book.State(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return use
}

// rest is an order that no market fills, worth as many dollars as its quantity.
func (b *bench) rest(qty int, changes string) reply {
	b.t.Helper()
	return b.place(with(b.t, resting, with(b.t, fmt.Sprintf(`{"qty":%d}`, qty), changes)))
}

func (b *bench) refusedBy(r reply, control string) failure {
	b.t.Helper()
	f := b.mustFail(r, problem.RiskLimit)
	if f.Details["control"] != control {
		b.t.Fatalf("got %s, want %s", r, control)
	}
	return f
}

func TestCeilingOverAllAccounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		f := newFirm(t, client, 2, `{"max_open_value":100}`).whole()
		one, two := f.instances[0], f.instances[1]
		one.placed(one.rest(60, `{}`))
		for range 2 { // the same order again is answered as before
			failed := two.refusedBy(two.rest(41, `{"client_order_id":"big"}`), "all_accounts.max_open_value")
			if failed.Details["limit"] != json.Number("100") || failed.Details["actual"] != json.Number("101") {
				t.Fatalf("%v", failed.Details)
			}
		}
		if breaches := two.breaches(); len(breaches) != 1 || breaches[0].Rule != "all_accounts.max_open_value" {
			t.Fatalf("%+v", breaches)
		}
		two.refusedBy(two.send(http.MethodPost, "/api/v1/stocks/order?validate=true", with(t, market, with(t, resting, `{"qty":41}`))), "all_accounts.max_open_value")
		if n := gathered(t, two, "risk_refusals_total", "all_accounts.max_open_value"); n != 2 {
			t.Errorf("counted %v times", n)
		}
		if n := gathered(t, two, "risk_ceiling_used", "all_accounts.max_open_value"); n != 60 {
			t.Errorf("%v USD are shown as used", n)
		}
		two.placed(two.rest(40, `{}`))
		f.write(`{"max_open_value":101}`)
		for _, b := range f.instances {
			b.clock.Advance(time.Second)
		}
		one.placed(one.rest(1, `{}`))
		one.refusedBy(one.rest(1, `{}`), "all_accounts.max_open_value")
		if use := f.use(); use.OpenOrders != 3 || use.OpenValue.String() != "101" || f.open() != 3 {
			t.Fatalf("%+v, %d are open", use, f.open())
		}
	})
}

// TestUnknownSymbolUnderCeilings: it has no price, and that is not what is wrong with it.
func TestUnknownSymbolUnderCeilings(t *testing.T) {
	client, _ := storetest.Embedded(t)
	b := newFirm(t, client, 1, `{"max_open_value":100}`).whole().instances[0]
	b.mustFail(b.place(`{"symbol":"NOSUCH"}`), problem.InvalidSymbol)
	b.mustFail(b.send(http.MethodPost, "/api/v1/options/order", `{"symbol":"AAPL280121C00001000","qty":1,"side":"buy","type":"market"}`), problem.InvalidSymbol)
}

// gathered is the value of a metric with a label of that value.
func gathered(t *testing.T, b *bench, name, label string) float64 {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, series := range family.GetMetric() {
			if family.GetName() == name && series.GetLabel()[0].GetValue() == label {
				return series.GetCounter().GetValue() + series.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// TestRoundTripsOfCeilings: none without a ceiling, one with any number of them.
func TestRoundTripsOfCeilings(t *testing.T) {
	client, _ := storetest.Embedded(t)
	f := newFirm(t, client, 1, `{}`).whole()
	b := f.instances[0]
	trips := func() int {
		t.Helper()
		b.spy.reset()
		b.placed(b.rest(1, `{}`))
		return len(b.spy.seen())
	}
	without := trips()
	f.write(`{"max_open_value":100,"max_open_orders":9,"max_daily_value":1000,"window":"1s","max_window_orders":9,"max_window_value":99}`)
	b.clock.Advance(time.Second)
	if with := trips(); without != 2 || with != 3 {
		t.Fatalf("%d round trips without, %d with ceilings", without, with)
	}
}

func TestRefusedAndFilledOrdersGiveBack(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		f := newFirm(t, client, 1, `{"max_open_orders":1,"max_daily_value":1000000000}`).whole()
		b := f.instances[0]
		b.mustFail(b.place(`{"type":"limit","limit_price":900,"qty":90000}`), problem.InsufficientFunds)
		storetest.Eventually(t, "what Alpaca refused does not count", func() bool { return f.use().OpenOrders == 0 && f.use().DailyValue.IsZero() })
		b.placed(b.place(`{"type":"limit","limit_price":900,"time_in_force":"day","qty":1}`)) // filled at once
		storetest.Eventually(t, "what was filled is not open", func() bool {
			if f.use().OpenOrders != 0 { // where the answer said "new", the comparison finds out
				b.clock.Advance(time.Minute)
				if err := b.function.CountOrders(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return f.open() == 0
		})
	})
}

func TestWindowIsARateLimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		f := newFirm(t, client, 2, `{"window":"2s","max_window_orders":1,"max_window_value":50}`).whole()
		one, two := f.instances[0], f.instances[1]
		one.placed(one.rest(10, `{}`))
		answer := two.rest(10, `{"client_order_id":"soon"}`)
		failed := two.mustFail(answer, problem.RateLimitExceeded)
		if failed.Details["control"] != "all_accounts.max_window_orders" || answer.Header.Get("Retry-After") == "" {
			t.Fatalf("%s", answer)
		}
		advance(2 * time.Second)
		two.placed(two.rest(10, `{"client_order_id":"soon"}`)) // nothing of the refusal is left
		advance(2 * time.Second)
		two.refusedBy(two.rest(51, `{}`), "all_accounts.max_window_value") // it alone is too much: for good
	})
}

// TestOrdersAtOnceDoNotShareACeiling: of many orders of several accounts and instances at once no more pass than there is
// room for.
func TestOrdersAtOnceDoNotShareACeiling(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		f := newFirm(t, client, 3, `{"max_open_value":50,"max_open_orders":4}`).whole()
		var wait sync.WaitGroup
		var passed atomic.Int64
		for _, b := range f.instances {
			for n := range 6 {
				wait.Go(func() {
					if b.rest(9+n, `{}`).Status == http.StatusCreated {
						passed.Add(1)
					}
				})
			}
		}
		wait.Wait()
		use := f.use()
		if open := f.open(); int64(open) != passed.Load() || open > 4 || open < 3 || use.OpenOrders != int64(open) || use.OpenValue.GreaterThan(decimal.FromInt(50)) {
			t.Fatalf("%d orders passed and %d are open, the book has %+v", passed.Load(), open, use)
		}
	})
}

// TestLostBookIsCountedAnew: without the book nothing passes; counted anew from Alpaca, it has what others sent as well.
func TestLostBookIsCountedAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		f := newFirm(t, client, 2, `{"max_open_value":100,"max_daily_value":130}`)
		one, two := f.instances[0], f.instances[1]
		qty, price := decimal.FromInt(70), decimal.FromInt(1)
		if _, err := two.function.Alpaca.PlaceOrder(t.Context(), two.credentials(), alpaca.OrderRequest{
			Symbol: "AAPL", Side: "buy", Type: "limit", TimeInForce: "day", Qty: &qty, LimitPrice: &price, ClientOrderID: "elsewhere",
		}); err != nil {
			t.Fatal(err)
		}
		if failed := one.mustFail(one.rest(1, `{"client_order_id":"first"}`), problem.Unavailable); failed.Details["control"] != "all_accounts" {
			t.Fatalf("%v", failed)
		}
		count := func(b *bench) {
			t.Helper()
			if err := b.function.CountOrders(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		count(one)
		count(two) // the other one has the lease
		count(one)
		one.mustFail(one.rest(1, `{"client_order_id":"first"}`), problem.Unavailable) // what was on its way may not have arrived
		one.clock.Advance(5 * time.Second)
		advance(3500 * time.Millisecond)
		count(one)
		one.refusedBy(one.rest(31, `{}`), "all_accounts.max_open_value")
		one.placed(one.rest(30, `{"client_order_id":"first"}`))
		if use := f.use(); use.OpenOrders != 2 || use.OpenValue.String() != "100" || use.DailyValue.String() != "100" && use.DailyValue.String() != "30" {
			t.Fatalf("%+v", use)
		}
	})
}

// TestEndedOrdersAreFound: an order that ended without anybody telling is let go of by the next comparison.
func TestEndedOrdersAreFound(t *testing.T) {
	client, advance := storetest.Embedded(t)
	f := newFirm(t, client, 1, `{"max_open_orders":1}`).whole()
	b := f.instances[0]
	placed := b.placed(b.rest(1, `{}`))
	compare := func() {
		t.Helper()
		b.clock.Advance(time.Minute)
		if err := b.function.CountOrders(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	compare()
	if err := b.function.Alpaca.CancelOrder(t.Context(), b.credentials(), placed.OrderID); err != nil {
		t.Fatal(err)
	}
	compare() // so young an order may be on its way
	b.refusedBy(b.rest(1, `{}`), "all_accounts.max_open_orders")
	advance(2 * time.Minute)
	compare()
	b.placed(b.rest(1, `{}`))
}

// TestBookIsDroppedWithoutCeilings: what is sent meanwhile would be missing in it.
func TestBookIsDroppedWithoutCeilings(t *testing.T) {
	client, _ := storetest.Embedded(t)
	f := newFirm(t, client, 1, `{"max_open_orders":1}`).whole()
	b := f.instances[0]
	b.placed(b.rest(1, `{}`))
	f.write(`{}`)
	b.clock.Advance(time.Second)
	if err := b.function.CountOrders(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.placed(b.rest(1, `{}`))
	f.write(`{"max_open_orders":1}`)
	b.clock.Advance(time.Second)
	b.mustFail(b.rest(1, `{}`), problem.Unavailable)
}

// TestAnotherOwnerChecksWhatWasLeftBehind: an owner that was cut off before it could say that a control refuses the order
// leaves an intent behind, which must not be sent unchecked by whoever takes it over.
func TestAnotherOwnerChecksWhatWasLeftBehind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		g := newGuarded(t, client, `{"max_order_qty":10}`, func(c *orderfn.Config) { c.IntentLease = 50 * time.Millisecond })
		g.spy.cutAfter(1)
		g.refused(g.place(with(t, resting, `{"qty":11,"client_order_id":"big"}`)), "max_order_qty")
		g.spy.heal()
		advance(100 * time.Millisecond)
		g.mustFail(g.place(with(t, resting, `{"qty":11,"client_order_id":"big"}`)), problem.UpstreamTimeout)
		g.sweep() // Alpaca does not have it
		g.refused(g.place(with(t, resting, `{"qty":11,"client_order_id":"big"}`)), "max_order_qty")
		if n := len(g.emulator.AcceptedOrders(keyID(g.account))); n != 0 {
			t.Fatalf("%d orders were sent", n)
		}
	})
}

// TestRepeatOfAnOrderThatCountsAgainstItself: Redis lost the intent, and the controls would refuse the repeat of an order
// that is at Alpaca.
func TestRepeatOfAnOrderThatCountsAgainstItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		g := newGuarded(t, client, `{"max_position_qty":10}`)
		first := g.placed(g.place(`{"qty":8,"client_order_id":"mine"}`)) // filled at once
		forget(t, client)
		if again := g.placed(g.place(`{"qty":8,"client_order_id":"mine"}`)); again.OrderID != first.OrderID {
			t.Fatalf("%s is not %s", again.OrderID, first.OrderID)
		}
		for _, e := range g.outbox() {
			if e.Type() != "ai.opitios.order.accepted" {
				t.Errorf("%s was told", e.Type())
			}
		}
		g.refused(g.place(`{"qty":8,"client_order_id":"other"}`), "max_position_qty")
	})
}

// forget empties Redis.
func forget(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	flush := func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() }
	var err error
	if cluster, ok := client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(t.Context(), flush)
	} else {
		err = flush(t.Context(), client.(*redis.Client))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnAccountThatCantBeCountedHoldsAllUp: until it can, and what was counted before is not counted twice.
func TestAnAccountThatCantBeCountedHoldsAllUp(t *testing.T) {
	client, advance := storetest.Embedded(t)
	f := newFirm(t, client, 2, `{"max_open_orders":2}`)
	one, two := f.instances[0], f.instances[1]
	qty, price := decimal.FromInt(1), decimal.FromInt(1)
	for _, b := range f.instances {
		if _, err := b.function.Alpaca.PlaceOrder(t.Context(), b.credentials(), alpaca.OrderRequest{
			Symbol: "AAPL", Side: "buy", Type: "limit", TimeInForce: "day", Qty: &qty, LimitPrice: &price, ClientOrderID: "elsewhere",
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := one.function.CountOrders(t.Context()); err != nil {
		t.Fatal(err)
	}
	one.clock.Advance(time.Minute)
	advance(4 * time.Second)
	if _, err := f.emulator.Faults().Add(faults.Fault{Route: "GET /v2/orders", Kind: faults.Status, Status: 500, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if err := one.function.CountOrders(t.Context()); err == nil || !strings.Contains(err.Error(), "1 accounts are not counted") {
		t.Fatal(err)
	}
	two.mustFail(two.rest(1, `{}`), problem.Unavailable)
	if err := one.function.CountOrders(t.Context()); err != nil {
		t.Fatal(err)
	}
	if use := f.use(); use.OpenOrders != 2 || use.OpenValue.String() != "2" || use.DailyValue.String() != "2" {
		t.Fatalf("%+v", use)
	}
	two.refusedBy(two.rest(1, `{}`), "all_accounts.max_open_orders")
}

// TestAGrantThatCantBeReliedOnIsGivenBack: the order was never sent, and does not use up the day.
func TestAGrantThatCantBeReliedOnIsGivenBack(t *testing.T) {
	client := storetest.Server(t)
	f := newFirm(t, client, 1, `{"max_daily_value":100}`).whole()
	one := f.instances[0]
	one.function.BookReplicas(client, 1)
	one.mustFail(one.rest(60, `{}`), problem.Unavailable)
	one.function.BookReplicas(client, 0)
	storetest.Eventually(t, "the grant is given back", func() bool { return f.use().DailyValue.IsZero() })
	one.placed(one.rest(60, `{}`))
	one.refusedBy(one.rest(60, `{}`), "all_accounts.max_daily_value")
}
