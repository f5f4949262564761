package order_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// TestCrash: a process dies with an order half done; a repeat or the sweeper finishes it.
func TestCrash(t *testing.T) {
	short := []option{func(c *orderfn.Config) { c.IntentLease = 40 * time.Millisecond }}
	play(t, []scenario{
		{"after the order was taken, then swept", short, crashedThenSwept},
		{"after the order was taken, then repeated", short, crashedThenRepeated},
		{"after the order was refused, then swept", short, crashedAfterRefusal},
		{"before the order arrived, then swept", short, crashedBeforeThenSwept},
		{"before the order arrived, then repeated", short, crashedBeforeThenRepeated},
		{"the owner is still at work", nil, sweepLeavesOwners},
		{"an unknown outcome is swept at once", nil, sweepUnknown},
		{"Alpaca is away", short, sweepWhileAway},
		{"the account is gone", short, sweepUnknownAccount},
		{"another order has the ID by now", short, sweepMeetsAnother},
		{"many that can't be settled stand before", short, sweepPassesTheStuck},
	})
}

// die places an order in a process that loses Redis after n commands, as one does that dies.
func (s *scene) die(n int, changes string) reply {
	s.t.Helper()
	s.spy.cutAfter(n)
	defer s.spy.heal()
	return s.place(changes)
}

// elapse lets every lease run out.
func (s *scene) elapse() { s.advance(s.config.IntentLease + 5*time.Millisecond) }

func crashedThenSwept(s *scene) {
	o := s.placed(s.die(1, `{"client_order_id":"mine"}`))
	s.mustTell()
	s.elapse()
	s.sweep()
	s.mustTell("accepted " + o.OrderID + ":accepted")
	s.calls(1, 1)
	s.elapse()
	s.sweep()
	s.mustTell("accepted " + o.OrderID + ":accepted")
	if again := s.placed(s.place(`{"client_order_id":"mine"}`)); again.OrderID != o.OrderID {
		s.t.Fatalf("the repeat got %s", again.OrderID)
	}
	s.calls(0, 0)
}

func crashedThenRepeated(s *scene) {
	o := s.placed(s.die(1, `{"client_order_id":"mine"}`))
	s.elapse()
	if again := s.placed(s.place(`{"client_order_id":"mine"}`)); again.OrderID != o.OrderID {
		s.t.Fatalf("the repeat got %s", again.OrderID)
	}
	s.calls(1, 1)
	s.elapse()
	s.sweep()
	s.calls(0, 0)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func crashedAfterRefusal(s *scene) {
	s.mustFail(s.die(1, `{"symbol":"NOPE","client_order_id":"mine"}`), problem.InvalidSymbol)
	s.elapse()
	s.sweep() // Alpaca has no such order: the intent is forgotten
	if s.intent("mine") {
		s.t.Fatal("the intent is still there")
	}
	s.mustTell()
	s.mustFail(s.place(`{"symbol":"NOPE","client_order_id":"mine"}`), problem.InvalidSymbol)
	s.mustTell("rejected mine:rejected")
}

// neverArrived dies after the intent was written down and before the order reaches Alpaca.
func (s *scene) neverArrived(changes string) {
	s.t.Helper()
	s.venue.fail(submit, resetBefore)
	s.venue.fail(lookUp, resetBefore, resetBefore)
	s.mustFail(s.die(1, changes), problem.UpstreamTimeout)
	s.calls(1, 2)
}

func crashedBeforeThenSwept(s *scene) {
	s.neverArrived(`{"client_order_id":"mine"}`)
	s.elapse()
	s.sweep()
	s.calls(0, 1)
	if s.intent("mine") || len(s.venue.open(keyID(s.account))) > 0 {
		s.t.Fatal("the sweeper kept the intent, or sent an order that nobody waits for")
	}
	s.mustTell()
	o := s.placed(s.place(`{"client_order_id":"mine"}`))
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func crashedBeforeThenRepeated(s *scene) {
	s.neverArrived(`{"client_order_id":"mine"}`)
	s.elapse()
	o := s.placed(s.place(`{"client_order_id":"mine"}`))
	s.calls(1, 1)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func sweepLeavesOwners(s *scene) {
	s.placed(s.die(1, `{"client_order_id":"mine"}`))
	s.sweep()
	s.calls(1, 0)
	s.mustFail(s.place(`{"client_order_id":"mine"}`), problem.IdempotencyInProgress)
}

func sweepUnknown(s *scene) {
	s.venue.fail(submit, resetAfter)
	s.venue.fail(lookUp, resetBefore, resetBefore)
	s.mustFail(s.place(`{"client_order_id":"mine"}`), problem.UpstreamTimeout)
	s.sweep()
	s.mustTell("accepted " + s.venue.accepted(keyID(s.account), "mine").ID + ":accepted")
}

func sweepWhileAway(s *scene) {
	o := s.placed(s.die(1, `{"client_order_id":"mine"}`))
	s.elapse()
	s.venue.fail(lookUp, status(503, "no"), status(503, "no"))
	if err := s.function.Sweep(s.t.Context()); err == nil {
		s.t.Fatal("the sweep says that all is settled")
	}
	s.mustTell()
	s.sweep() // nobody holds the intent
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// sweepMeetsAnother: the order never arrived, and its ID was used elsewhere since. That settles it.
func sweepMeetsAnother(s *scene) {
	s.neverArrived(`{"qty":2,"client_order_id":"mine"}`)
	s.venue.elsewhere(keyID(s.account), alpaca.OrderRequest{Symbol: "MSFT", Side: "buy", Type: "market", ClientOrderID: "mine"})
	s.elapse()
	s.sweep()
	s.mustTell() // "mine" is the ID of a live order: nothing may say that it was rejected
	if s.intent("mine") {
		s.t.Fatal("the intent is still there")
	}
	s.mustFail(s.place(`{"qty":2,"client_order_id":"mine"}`), problem.IdempotencyMismatch)
	s.mustTell()
}

// sweepUnknownAccount: an account that was taken out of the file keeps its intents, and comes back to them.
func sweepUnknownAccount(s *scene) {
	o := s.placed(s.die(1, `{"client_order_id":"mine"}`))
	s.elapse()
	full, err := os.ReadFile(s.config.AccountsFile)
	if err != nil {
		s.t.Fatal(err)
	}
	s.writeAccounts(strings.ReplaceAll(string(full), `"`+s.account+`"`, `"gone"`))
	s.sweep()
	s.mustTell()
	s.writeAccounts(string(full))
	s.sweep()
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func (s *scene) writeAccounts(content string) {
	s.t.Helper()
	if err := os.WriteFile(s.config.AccountsFile, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := s.function.Accounts.Load(); err != nil {
		s.t.Fatal(err)
	}
}

func TestSweepEnds(t *testing.T) {
	play(t, []scenario{{"with its context", nil, func(s *scene) {
		ctx, cancel := context.WithCancel(s.t.Context())
		cancel()
		if err := s.function.Sweep(ctx); err == nil {
			s.t.Error("a sweep that was cut short says that all is settled")
		}
	}}, {"at a Redis that is away", nil, func(s *scene) {
		s.spy.cutAfter(store.Shards)
		if err := s.function.Sweep(s.t.Context()); err == nil {
			s.t.Error("a sweep without Redis says that all is settled")
		}
	}}})
}

// sweepPassesTheStuck: more intents of a removed account than a batch holds must not keep a dead instance's from being settled.
func sweepPassesTheStuck(s *scene) {
	o := s.placed(s.die(1, `{"client_order_id":"mine"}`))
	s.elapse()
	gone := s.sameShard()
	intents := intent.NewStore(s.redis, intent.Config{
		Limits: func(string) intent.Limits {
			return intent.Limits{Orders: plenty(), Upstream: bucket.Allowance{Limit: 1000}}
		}, Window: time.Minute, Lease: time.Millisecond,
	})
	for i := range 120 {
		id := intent.ID{AccountID: gone, ClientOrderID: fmt.Sprint("stuck-", i)}
		got, err := intents.Reserve(s.t.Context(), intent.Request{ID: id, Fingerprint: "f", Body: []byte("{}")})
		if err != nil {
			s.t.Fatal(err)
		}
		if err := intents.Yield(s.t.Context(), id, got.Token); err != nil { // it comes first
			s.t.Fatal(err)
		}
	}
	s.sweep()
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// sameShard returns an account that the function does not know, in the shard of the scene's.
func (s *scene) sameShard() string {
	for i := 0; ; i++ {
		if id := fmt.Sprint("gone-", i); store.Shard(id) == store.Shard(s.account) {
			return id
		}
	}
}

func plenty() bucket.Rate { return bucket.Rate{Limit: 100_000, Period: time.Minute} }
