package ceiling_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const today = "2026-11-23"

func usd(text string) *decimal.Decimal {
	value := decimal.MustParse(text)
	return &value
}

func number(text string) *decimal.Number { return decimal.NumberOf(usd(text)) }

func many(n int) *int { return &n }

func order(account, id string) ceiling.Order {
	return ceiling.Order{AccountID: account, ClientOrderID: id}
}

// whole returns a book that is counted, with nothing in it.
func whole(t testing.TB, client redis.UniversalClient) *ceiling.Book {
	t.Helper()
	book := ceiling.New(client, ceiling.Config{})
	if err := book.Begin(t.Context(), "first", today); err != nil {
		t.Fatal(err)
	}
	if done, err := book.Finish(t.Context(), "first", 0); !done || err != nil {
		t.Fatalf("%t, %v", done, err)
	}
	return book
}

// grant wants the verdict of a ceiling, "" for passed.
func grant(t testing.TB, book *ceiling.Book, o ceiling.Order, value, day string, c risk.Ceilings, want string) ceiling.Verdict {
	t.Helper()
	got, err := book.Grant(t.Context(), o, usd(value), day, &c)
	if err != nil || got.Refused != want {
		t.Fatalf("%v worth %s: %+v, %v; want %q", o, value, got, err, want)
	}
	return got
}

func TestCeilingsOfWhatIsOpen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		book := whole(t, client)
		c := risk.Ceilings{MaxOpenOrders: many(3), MaxOpenValue: number("100")}
		grant(t, book, order("a", "1"), "60", today, c, "")
		got := grant(t, book, order("b", "1"), "40.01", today, c, risk.AllOpenValue)
		if got.Actual.String() != "100.01" || got.Use.OpenOrders != 1 || got.Use.OpenValue.String() != "60" {
			t.Fatalf("%+v", got)
		}
		grant(t, book, order("b", "1"), "39.999", today, c, "") // a cent is what counts
		grant(t, book, order("a", "1"), "60", today, c, "")     // again, after an unknown outcome
		grant(t, book, order("b", "2"), "0.001", today, c, risk.AllOpenValue)
		if err := book.Release(t.Context(), order("a", "1"), false); err != nil {
			t.Fatal(err)
		}
		grant(t, book, order("b", "2"), "1", today, c, "")
		grant(t, book, order("b", "3"), "1", today, c, "")
		if got := grant(t, book, order("c", "1"), "0", today, c, risk.AllOpenOrders); got.Actual.String() != "4" {
			t.Fatalf("%+v", got)
		}
		for range 2 { // what is gone is no error
			if err := book.Release(t.Context(), order("b", "3"), false); err != nil {
				t.Fatal(err)
			}
		}
		peeked, err := book.Peek(t.Context(), order("c", "1"), usd("60"), today, &c)
		if err != nil || peeked.Refused != risk.AllOpenValue {
			t.Fatalf("%+v, %v", peeked, err)
		}
		for range 2 { // asking takes nothing
			if peeked, err = book.Peek(t.Context(), order("c", "1"), usd("59"), today, &c); err != nil || peeked.Refused != "" || peeked.Use.OpenOrders != 2 {
				t.Fatalf("%+v, %v", peeked, err)
			}
		}
	})
}

func TestCeilingOfTheDay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		book := whole(t, client)
		c := risk.Ceilings{MaxDailyValue: number("100")}
		grant(t, book, order("a", "1"), "100", today, c, "")
		if err := book.Release(t.Context(), order("a", "1"), false); err != nil {
			t.Fatal(err)
		}
		grant(t, book, order("a", "2"), "1", today, c, risk.AllDailyValue) // it was sent
		const tomorrow = "2026-11-24"
		grant(t, book, order("a", "3"), "90", tomorrow, c, "")
		grant(t, book, order("a", "4"), "11", today, c, risk.AllDailyValue) // an instance whose clock is late
		if err := book.Release(t.Context(), order("a", "3"), true); err != nil {
			t.Fatal(err)
		}
		grant(t, book, order("a", "5"), "100", tomorrow, c, "")
	})
}

// TestTheSameIDForMore: an order counts already, but only for what it was granted.
func TestTheSameIDForMore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		book, o := whole(t, client), order("a", "same")
		c := risk.Ceilings{MaxOpenValue: number("100"), MaxDailyValue: number("150"), MaxOpenOrders: many(1)}
		grant(t, book, o, "60", today, c, "")
		grant(t, book, o, "5000", today, c, risk.AllOpenValue)
		grant(t, book, o, "40", today, c, "") // less is within what it has
		got := grant(t, book, o, "90", today, c, "")
		if got.Use.OpenOrders != 1 || got.Use.OpenValue.String() != "90" || got.Use.DailyValue.String() != "90" {
			t.Errorf("got %+v", got.Use)
		}
		if err := book.Release(t.Context(), o, true); err != nil {
			t.Fatal(err)
		}
		if got := grant(t, book, order("a", "next"), "1", today, c, ""); got.Use.OpenOrders != 1 || got.Use.DailyValue.String() != "1" {
			t.Errorf("after it was given back: %+v", got.Use)
		}
	})
}

func TestCeilingsOfTheWindow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		book := whole(t, client)
		window := risk.Duration{Duration: 2 * time.Second}
		c := risk.Ceilings{Window: window, MaxWindowOrders: many(2), MaxWindowValue: number("100")}
		grant(t, book, order("a", "1"), "70", today, c, "")
		got := grant(t, book, order("b", "1"), "31", today, c, risk.AllWindowValue)
		if got.RetryAfter <= 0 || got.RetryAfter > window.Duration || got.Actual.String() != "101" {
			t.Fatalf("%+v", got)
		}
		grant(t, book, order("b", "1"), "30", today, c, "")
		if got := grant(t, book, order("b", "2"), "0", today, c, risk.AllWindowOrders); got.Use.WindowOrders != 2 || got.Use.WindowValue.String() != "100" {
			t.Fatalf("%+v", got)
		}
		advance(window.Duration + time.Millisecond)
		if got := grant(t, book, order("b", "2"), "100", today, c, ""); got.Use.WindowOrders != 1 || got.Use.OpenOrders != 3 {
			t.Fatalf("%+v", got)
		}
	})
}

func TestNothingPassesABookThatIsNotWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		book := ceiling.New(client, ceiling.Config{})
		c := risk.Ceilings{MaxOpenValue: number("100")}
		refused := func() {
			t.Helper()
			if _, err := book.Grant(t.Context(), order("a", "1"), usd("1"), today, &c); !errors.Is(err, ceiling.ErrIncomplete) {
				t.Fatal(err)
			}
		}
		refused()
		if isWhole, _, err := book.State(t.Context()); isWhole || err != nil {
			t.Fatal(isWhole, err)
		}
		if err := book.Begin(t.Context(), "other", today); err != nil {
			t.Fatal(err)
		}
		if err := book.Begin(t.Context(), "mine", today); err != nil {
			t.Fatal(err)
		}
		told := []ceiling.Told{
			{ClientOrderID: "open", Value: *usd("10"), Open: true}, {ClientOrderID: "new", Value: *usd("20"), Open: true, Today: true},
			{ClientOrderID: "filled", Value: *usd("40"), Today: true},
		}
		if err := book.Adopt(t.Context(), "other", today, "a", told); !errors.Is(err, ceiling.ErrOtherCounting) {
			t.Fatal(err)
		}
		if err := book.Adopt(t.Context(), "", today, "a", told); !errors.Is(err, ceiling.ErrIncomplete) {
			t.Fatal(err)
		}
		if err := book.Adopt(t.Context(), "mine", today, "a", told); err != nil {
			t.Fatal(err)
		}
		if done, err := book.Finish(t.Context(), "mine", time.Second); done || err != nil {
			t.Fatal(done, err) // too early
		}
		refused()
		advance(time.Second)
		if done, err := book.Finish(t.Context(), "mine", time.Second); !done || err != nil {
			t.Fatal(done, err)
		}
		isWhole, use, err := book.State(t.Context())
		if !isWhole || err != nil || use.OpenOrders != 2 || use.OpenValue.String() != "30" || use.DailyValue.String() != "60" {
			t.Fatalf("%t, %+v, %v", isWhole, use, err)
		}
		grant(t, book, order("b", "1"), "71", today, c, risk.AllOpenValue)
		// A replica that took over may lack the last writes.
		if err := client.HSet(t.Context(), store.CeilingsKey(), "whole", "another server").Err(); err != nil {
			t.Fatal(err)
		}
		if isWhole, _, err := book.State(t.Context()); isWhole || err != nil {
			t.Fatal(isWhole, err)
		}
		refused()
		for _, key := range []string{store.CeilingsKey(), store.CeilingsOrdersKey()} {
			if left := client.PTTL(t.Context(), key).Val(); left <= 0 {
				t.Errorf("%s lives for ever", key)
			}
		}
		if err := book.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := client.Exists(t.Context(), store.CeilingsKey()).Val() + client.Exists(t.Context(), store.CeilingsOrdersKey()).Val(); n != 0 {
			t.Fatalf("%d keys are left", n)
		}
	})
}

func TestComparisonLetsGoOfWhatItSaw(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		book := whole(t, client)
		c := risk.Ceilings{MaxOpenOrders: many(10)}
		for _, id := range []string{"1", "2", "3"} {
			grant(t, book, order("a", id), "1", today, c, "")
		}
		grant(t, book, order("b", "1"), "1", today, c, "")
		kept, err := book.Orders(t.Context())
		if err != nil || len(kept["a"]) != 3 || len(kept["b"]) != 1 || kept["b"][0].Since.IsZero() {
			t.Fatalf("%+v, %v", kept, err)
		}
		// One ended and was granted anew in the meantime: it is not what was seen.
		advance(2 * time.Millisecond)
		again := kept["a"][0].Order
		if err := book.Release(t.Context(), again, true); err != nil {
			t.Fatal(err)
		}
		grant(t, book, again, "1", today, c, "")
		if err := book.Settle(t.Context(), kept["a"]); err != nil {
			t.Fatal(err)
		}
		left, err := book.Orders(t.Context())
		if err != nil || len(left["a"]) != 1 || left["a"][0].Order != again || len(left["b"]) != 1 {
			t.Fatalf("%+v, %v", left, err)
		}
		if _, use, err := book.State(t.Context()); err != nil || use.OpenOrders != 2 || use.OpenValue.String() != "2" {
			t.Fatalf("%+v, %v", use, err)
		}
	})
}

func TestTooLargeAnOrderIsNotCounted(t *testing.T) {
	client, _ := storetest.Embedded(t)
	book := whole(t, client)
	for _, value := range []string{"1000000000000.01", "-1"} {
		if _, err := book.Grant(t.Context(), order("a", "1"), usd(value), today, &risk.Ceilings{MaxOpenValue: number("1")}); !errors.Is(err, ceiling.ErrTooLarge) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

// TestInstancesNeverPassACeiling: several instances with clients of their own place and end orders of accounts in all
// shards at once. Alpaca's view, kept beside, is never over a ceiling.
func TestInstancesNeverPassACeiling(t *testing.T) {
	const instances, orders, maxOrders, maxValue = 4, 60, 7, 300
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		whole(t, client)
		c := risk.Ceilings{MaxOpenOrders: many(maxOrders), MaxOpenValue: number("300"), MaxDailyValue: number("4000")}
		var (
			mu                          sync.Mutex
			open, value, sent, mostOpen int
			passed, refused             atomic.Int64
			wait                        sync.WaitGroup
		)
		count := func(orders, worth int) {
			mu.Lock()
			defer mu.Unlock()
			open, value = open+orders, value+worth
			if orders > 0 {
				sent += worth
			}
			mostOpen = max(mostOpen, open)
			if open > maxOrders || value > maxValue || sent > 4000 {
				t.Errorf("%d open orders worth %d, %d sent", open, value, sent)
			}
		}
		for instance := range instances {
			book := ceiling.New(client, ceiling.Config{})
			for lane := range 4 {
				wait.Go(func() {
					for n := range orders / 4 {
						o, worth := order(fmt.Sprintf("account-%d", n), fmt.Sprintf("%d-%d", instance, lane)), 17*(1+(n+instance)%5)
						verdict, err := book.Grant(t.Context(), o, usd(fmt.Sprint(worth)), today, &c)
						if err != nil {
							t.Error(err)
							return
						}
						if verdict.Refused != "" {
							refused.Add(1)
							continue
						}
						passed.Add(1)
						count(1, worth)
						count(-1, -worth)
						if err := book.Release(t.Context(), o, false); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		wait.Wait()
		book := ceiling.New(client, ceiling.Config{})
		if _, use, err := book.State(t.Context()); err != nil || use.OpenOrders != 0 || !use.OpenValue.IsZero() {
			t.Errorf("left: %+v, %v", use, err)
		}
		if passed.Load() == 0 {
			t.Error("nothing passed")
		}
		t.Logf("%d passed, %d refused, at most %d open at once", passed.Load(), refused.Load(), mostOpen)
	})
}

// TestGrantsReachReplicas: with replicas to wait for, an order is let through only when they have it.
func TestGrantsReachReplicas(t *testing.T) {
	c := risk.Ceilings{MaxOpenOrders: many(1)}
	replicated := storetest.Replicated(t)
	whole(t, replicated)
	book := ceiling.New(replicated, ceiling.Config{Replicas: 1, ReplicaTimeout: 10 * time.Second})
	grant(t, book, order("a", "1"), "1", today, c, "")
	grant(t, book, order("a", "2"), "1", today, c, risk.AllOpenOrders)

	alone := storetest.Server(t)
	whole(t, alone)
	book = ceiling.New(alone, ceiling.Config{Replicas: 1, ReplicaTimeout: time.Millisecond})
	if _, err := book.Grant(t.Context(), order("a", "1"), usd("1"), today, &c); !errors.Is(err, ceiling.ErrNotReplicated) {
		t.Fatal(err)
	}
}
