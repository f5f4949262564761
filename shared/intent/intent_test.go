package intent_test

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// slow fills so slowly that no token comes back while a test runs on a real clock.
func slow(limit int) bucket.Rate {
	return bucket.Rate{Limit: limit, Period: time.Duration(limit) * time.Hour}
}

func wide() intent.Config {
	return intent.Config{Limits: limits(slow(1000), 1000, 0), Window: slow(1000).Period, Lease: long}
}

func order(clientOrderID, body string) intent.Request {
	return intent.Request{ID: intent.ID{AccountID: account, ClientOrderID: clientOrderID}, Fingerprint: "sha-" + body, Body: []byte(body)}
}

func keyed(key, clientOrderID, body string) intent.Request {
	r := order(clientOrderID, body)
	r.IdempotencyKey = key
	return r
}

func ending(id intent.ID, token int64, state intent.State) intent.Settlement {
	return intent.Settlement{
		ID: id, Token: token, State: state, Result: []byte(`{"id":"o-1"}`), EventID: "e-" + id.ClientOrderID, Event: []byte(`{"type":"x"}`),
	}
}

func settle(t testing.TB, s *intent.Store, id intent.ID, token int64) {
	t.Helper()
	mustSettle(t, s, ending(id, token, intent.Acknowledged))
}

func TestRepeatsFindTheIntent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		first := mustReserve(t, s, keyed("k", "c", "buy"), intent.New)
		if first.State != intent.Reserved || first.Orders.Granted != 1 || first.Orders.Remaining != 999 {
			t.Fatalf("new: %+v", first)
		}
		busy := mustReserve(t, s, keyed("k", "c", "buy"), intent.InProgress)
		if busy.RetryAfter <= 0 || busy.RetryAfter > time.Minute || busy.Token != 0 || busy.Orders.Remaining != 999 {
			t.Fatalf("in progress: %+v", busy)
		}
		mustReserve(t, s, keyed("k", "c", "sell"), intent.Mismatch)
		mustReserve(t, s, keyed("k", "c2", "sell"), intent.Mismatch)
		mustReserve(t, s, order("c", "sell"), intent.Mismatch)
		settle(t, s, order("c", "").ID, first.Token)
	})
}

func TestSettledIntentIsReplayed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		for _, state := range []intent.State{intent.Acknowledged, intent.Rejected} {
			r := keyed("k-"+string(state), string(state), "buy")
			first := mustReserve(t, s, r, intent.New)
			if err := s.Settle(t.Context(), ending(r.ID, first.Token, state)); err != nil {
				t.Fatal(err)
			}
			again := mustReserve(t, s, r, intent.Replay)
			if again.State != state || string(again.Result) != `{"id":"o-1"}` {
				t.Fatalf("%+v", again)
			}
			mustReserve(t, s, keyed("k-"+string(state), string(state), "sell"), intent.Mismatch)
			mustReserve(t, s, order(string(state), "sell"), intent.Mismatch)
		}
		if n := len(events(t, client)); n != 2 {
			t.Fatalf("%d events", n)
		}
	})
}

func TestDeadOwnersIntentIsTakenOver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		config := wide()
		config.Lease = brief
		s := intent.NewStore(client, config)
		r := order("c", "buy")
		dead := mustReserve(t, s, r, intent.New)
		advance(brief)
		heir := mustReserve(t, s, r, intent.Resume)
		if heir.Token <= dead.Token || heir.State != intent.Reserved {
			t.Fatalf("dead %+v, heir %+v", dead, heir)
		}
		for verb, err := range map[string]error{
			"settle": s.Settle(t.Context(), ending(r.ID, dead.Token, intent.Rejected)),
			"yield":  s.Yield(t.Context(), r.ID, dead.Token), "forget": s.Forget(t.Context(), r.ID, dead.Token),
		} {
			if !errors.Is(err, intent.ErrTakenOver) {
				t.Errorf("%s by the former owner: %v", verb, err)
			}
		}
		if n := len(events(t, client)); n != 0 {
			t.Fatalf("a refused settlement left %d events", n)
		}
		settle(t, s, r.ID, heir.Token)
		if got := mustReserve(t, s, r, intent.Replay); got.State != intent.Acknowledged {
			t.Fatalf("%+v", got)
		}
	})
}

func TestYieldedIntentIsResumedAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		r := order("c", "buy")
		first := mustReserve(t, s, r, intent.New)
		if err := s.Yield(t.Context(), r.ID, first.Token); err != nil {
			t.Fatal(err)
		}
		if got := mustReserve(t, s, r, intent.Resume); got.State != intent.Submitted || got.Token <= first.Token {
			t.Fatalf("%+v", got)
		}
	})
}

// The owner that comes after a forgotten intent must not share a token with one that came before.
func TestForgottenIntentStartsAnew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		config := wide()
		config.Lease = brief
		s := intent.NewStore(client, config)
		r := keyed("k", "c", "buy")
		paused := mustReserve(t, s, r, intent.New)
		advance(brief)
		heir := mustReserve(t, s, r, intent.Resume)
		if err := s.Forget(t.Context(), r.ID, heir.Token); err != nil {
			t.Fatal(err)
		}
		if found := abandoned(t, s); len(found) != 0 {
			t.Fatalf("abandoned %v", found)
		}
		advance(time.Millisecond)
		anew := mustReserve(t, s, r, intent.New)
		if anew.Token <= heir.Token {
			t.Errorf("token %d after %d", anew.Token, heir.Token)
		}
		if err := s.Settle(t.Context(), ending(r.ID, paused.Token, intent.Rejected)); !errors.Is(err, intent.ErrTakenOver) {
			t.Errorf("settle by a paused owner: %v", err)
		}
	})
}

func TestSettleAppendsOneEvent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		shard := store.Shard(account)
		for i, name := range []string{"a", "b"} {
			r := order(name, "buy")
			got := mustReserve(t, s, r, intent.New)
			settle(t, s, r.ID, got.Token)
			settle(t, s, r.ID, got.Token) // the answer to the first was lost
			all := events(t, client)
			if len(all) != i+1 || i > 0 && all[i].Values["sequence"].(string) <= all[i-1].Values["sequence"].(string) || all[i].Values["account"] != account || all[i].Values["event"] != `{"type":"x"}` {
				t.Fatalf("%v", all)
			}
		}
		r := order("quiet", "buy")
		got := mustReserve(t, s, r, intent.New)
		if err := s.Settle(t.Context(), intent.Settlement{ID: r.ID, Token: got.Token, State: intent.Rejected}); err != nil {
			t.Fatal(err)
		}
		if n := len(events(t, client)); n != 2 {
			t.Fatalf("%d events after a settlement without one", n)
		}
		if n := client.ZCard(t.Context(), store.UnsettledKey(shard)).Val(); n != 0 {
			t.Fatalf("%d unsettled", n)
		}
	})
}

func TestSettleDropsTheSnapshots(t *testing.T) {
	client, _ := storetest.Embedded(t)
	s := intent.NewStore(client, wide())
	for _, kind := range []string{"account", "positions"} {
		client.HSet(t.Context(), store.SnapshotKey(account, kind), "data", "old")
	}
	r := order("c", "buy")
	settle(t, s, r.ID, mustReserve(t, s, r, intent.New).Token)
	if n := client.Exists(t.Context(), store.SnapshotKey(account, "account"), store.SnapshotKey(account, "positions")).Val(); n != 0 {
		t.Errorf("%d snapshots are left", n)
	}
	if got := client.Get(t.Context(), store.GenerationKey(account)).Val(); got != "1" {
		t.Errorf("generation %q", got)
	}
}

// Neither limit may take from the other's bucket, nor leave anything behind.
func TestLimitsTakeBothOrNone(t *testing.T) {
	tests := []struct {
		name                      string
		orders, upstream, reserve int
		admitted                  int
		refusal                   intent.Outcome
		ordersLeft, upstreamLeft  int
	}{
		{"orders run out", 2, 5, 0, 2, intent.OrderLimit, 0, 3},
		{"upstream runs out", 5, 2, 0, 2, intent.UpstreamLimit, 3, 0},
		{"cancels keep their share", 10, 5, 2, 3, intent.UpstreamLimit, 7, 2},
		{"both at once", 2, 2, 0, 2, intent.UpstreamLimit, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
				config := intent.Config{Limits: limits(slow(test.orders), test.upstream, test.reserve), Window: slow(1).Period}
				s := intent.NewStore(client, config)
				for i := range test.admitted {
					mustReserve(t, s, order(strconv.Itoa(i), "buy"), intent.New)
				}
				for range 3 {
					got := mustReserve(t, s, keyed("k", "over", "buy"), test.refusal)
					if got.RetryAfter <= 0 || got.Token != 0 || got.Orders.Remaining != test.ordersLeft {
						t.Fatalf("%+v", got)
					}
				}
				key := store.BucketKey(account, "orders")
				if got, err := bucket.New(client).Lease(t.Context(), key, slow(test.orders), 100); got.Granted != test.ordersLeft || err != nil {
					t.Errorf("%d tokens are left, want %d, %v", got.Granted, test.ordersLeft, err)
				}
				taken := client.LLen(t.Context(), store.UpstreamTakenKey(account, alpaca.APITrading)).Val()
				if got := test.upstream - int(taken); got != test.upstreamLeft {
					t.Errorf("%d requests are left, want %d", got, test.upstreamLeft)
				}
				left := client.Exists(t.Context(), store.IntentKey(account, "over")).Val() + client.Exists(t.Context(), store.IdempotencyKey(account, "k")).Val()
				if n := client.ZCard(t.Context(), store.UnsettledKey(store.Shard(account))).Val(); left != 0 || int(n) != test.admitted {
					t.Errorf("a refused order left %d keys, %d unsettled", left, n)
				}
			})
		})
	}
}

func TestOnlyOneOfManyReserves(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		var wait sync.WaitGroup
		var created atomic.Int64
		for range 16 {
			wait.Go(func() {
				got, err := s.Reserve(t.Context(), keyed("k", "c", "buy"))
				if err != nil {
					t.Error(err)
				}
				if got.Outcome == intent.New {
					created.Add(1)
				} else if got.Outcome != intent.InProgress {
					t.Error(got.Outcome)
				}
			})
		}
		wait.Wait()
		if created.Load() != 1 {
			t.Fatalf("%d intents were created", created.Load())
		}
	})
}

func TestAbandoned(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		config := wide()
		config.Lease = brief
		short, s := intent.NewStore(client, config), intent.NewStore(client, wide())
		shard := store.Shard(account)
		for _, name := range []string{"dead", "settled"} {
			r := order(name, "buy "+name)
			if got := mustReserve(t, short, r, intent.New); name == "settled" {
				settle(t, short, r.ID, got.Token)
			}
		}
		mustReserve(t, s, order("at work", "buy"), intent.New)
		advance(brief)
		client.ZAdd(t.Context(), store.UnsettledKey(shard), redis.Z{Score: 1, Member: account + "\nexpired"})
		got, err := s.Abandoned(t.Context(), shard, 0, 10)
		if err != nil || len(got) != 1 || got[0].ClientOrderID != "dead" || got[0].AccountID != account ||
			got[0].Fingerprint != "sha-buy dead" || string(got[0].Body) != "buy dead" {
			t.Fatalf("%+v, %v", got, err)
		}
		if n := client.ZCard(t.Context(), store.UnsettledKey(shard)).Val(); n != 2 {
			t.Fatalf("%d unsettled, want the dead and the one at work", n)
		}
		mustReserve(t, s, order("dead", "buy dead"), intent.Resume)
		if got, err := s.Abandoned(t.Context(), shard, 0, 10); len(got) != 0 || err != nil {
			t.Fatalf("taken over, but still abandoned: %+v, %v", got, err)
		}
	})
}

func TestIntentsExpire(t *testing.T) {
	client, advance := storetest.Embedded(t)
	config := wide()
	config.Life = time.Hour
	s := intent.NewStore(client, config)
	mustReserve(t, s, keyed("k", "c", "buy"), intent.New)
	advance(time.Hour + time.Second)
	mustReserve(t, s, keyed("k", "c", "sell"), intent.New)
}

func TestRedisAway(t *testing.T) {
	s := intent.NewStore(storetest.Away(t), wide())
	if _, err := s.Reserve(t.Context(), order("c", "buy")); err == nil {
		t.Error("reserved without Redis")
	}
	if err := s.Settle(t.Context(), ending(order("c", "").ID, 1, intent.Rejected)); err == nil || errors.Is(err, intent.ErrTakenOver) {
		t.Errorf("settle: %v", err)
	}
	if _, err := s.Abandoned(t.Context(), 0, 0, 1); err == nil {
		t.Error("found intents without Redis")
	}
}
