package updates

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// TestFlushLosesNoFill: which accounts were followed is forgotten with everything else, and so is what was not
// published yet. All of it comes back from Alpaca, without a further order.
func TestFlushLosesNoFill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	now := time.Now()
	w.redis.FlushAll()
	first := trade("fill", "o1", now.Add(-time.Hour), executed("x1", "10", "10")) // was written down, never published
	w.alpaca.send(alice, first)
	want := filled("o1", "x1", first.EventID)
	w.expect(alice, want...)
	w.redis.FlushAll()
	second := trade("fill", "o2", now, executed("x2", "10", "10"))
	w.alpaca.send(alice, second)
	eventually(t, "the fill after the second flush is told", func() bool {
		return strings.Contains(strings.Join(w.sink.published(alice), "\n"), "order.filled o2:filled")
	})
}

// TestLostTailComesBeforeWhatFollows: a replica takes over that lacks the last writes; the follower, which still has its
// stream, must not go on behind the gap.
func TestLostTailComesBeforeWhatFollows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.start()
	w.order(alice)
	now := time.Now()
	first := trade("fill", "o1", now, executed("x1", "10", "10"))
	w.alpaca.send(alice, first)
	want := filled("o1", "x1", first.EventID)
	w.expect(alice, want...)
	second := trade("fill", "o2", now.Add(time.Millisecond), executed("x2", "10", "10"))
	w.alpaca.send(alice, second)
	want = append(want, filled("o2", "x2", second.EventID)...)
	w.expect(alice, want...)
	for _, told := range filled("o2", "x2", second.EventID) { // the replica never got it
		_, id, _ := strings.Cut(told, " ")
		w.redis.Del(store.SeenKey(alice, id))
	}
	if err := w.redis.Set(store.CursorKey(alice), first.EventID); err != nil {
		t.Fatal(err)
	}
	third := trade("fill", "o3", now.Add(2*time.Millisecond), executed("x3", "10", "10"))
	w.alpaca.send(alice, third)
	want = append(append(want, filled("o2", "x2", second.EventID)...), filled("o3", "x3", third.EventID)...)
	w.expect(alice, want...)
	if n := source.metric(t, "account_update_failures_total", failureForgotten); n != 1 {
		t.Errorf("counted %v times", n)
	}
}

// TestMemory: only the loss of data, or another server, makes accounts active.
func TestMemory(t *testing.T) {
	accounts := []vault.Account{{ID: alice}, {ID: bob}, {ID: "carol"}}
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		memory := newMemory(client)
		restored(t, memory, client, accounts, 3)
		restored(t, memory, client, accounts, 0)
		if err := client.Del(t.Context(), store.MemoryKey(store.Shard(bob)), store.ActiveAccountsKey(store.Shard(bob))).Err(); err != nil {
			t.Fatal(err)
		}
		restored(t, memory, client, accounts, 1)
	})
}

func restored(t *testing.T, memory *memory, client redis.UniversalClient, accounts []vault.Account, want int) {
	t.Helper()
	n, err := memory.restore(t.Context(), accounts)
	if err != nil || n != want {
		t.Fatalf("%d shards were lost, %v; want %d", n, err, want)
	}
	for i := range accounts {
		if err := client.ZScore(t.Context(), store.ActiveAccountsKey(store.Shard(accounts[i].ID)), accounts[i].ID).Err(); err != nil {
			t.Fatalf("%s is not active: %v", accounts[i].ID, err)
		}
	}
}

// TestFailoverIsNoticed: a replica in its master's place may lack what the master said it had.
func TestFailoverIsNoticed(t *testing.T) {
	cluster, err := redisprocess.StartCluster(t.Context(), 3, true)
	if err != nil {
		t.Skip(err)
	}
	defer cluster.Stop()
	client, err := store.Open(cluster.URL(), store.Options{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	memory, accounts := newMemory(client), []vault.Account{{ID: alice}}
	if n, err := memory.restore(t.Context(), accounts); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := memory.restore(t.Context(), accounts); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	for _, server := range cluster.Servers[3:] { // every replica: one of them is the shard's
		node := server.Client()
		eventually(t, "the replica takes over", func() bool {
			_ = node.ClusterFailover(t.Context()).Err()
			role, err := node.Do(context.WithoutCancel(t.Context()), "ROLE").Slice()
			return err == nil && role[0] == "master"
		})
		_ = node.Close()
	}
	noticed := 0
	eventually(t, "the other server is noticed", func() bool {
		n, err := memory.restore(t.Context(), accounts)
		noticed += n
		return err == nil && noticed == 1
	})
	if n, err := memory.restore(t.Context(), accounts); n != 0 || err != nil {
		t.Fatalf("noticed again: %d, %v", n, err)
	}
}

// TestRedisAwayKeepsTheStream: an event waits for Redis where it is; nothing is read anew, and nothing overtakes it.
func TestRedisAwayKeepsTheStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.start()
	w.order(alice)
	now := time.Now()
	first := trade("fill", "o1", now, executed("x1", "10", "10"))
	w.alpaca.send(alice, first)
	want := filled("o1", "x1", first.EventID)
	w.expect(alice, want...)
	opened := w.alpaca.timesOpened(alice)
	w.redis.SetError("LOADING not yet")
	second := trade("fill", "o2", now.Add(time.Millisecond), executed("x2", "10", "10"))
	third := trade("fill", "o3", now.Add(2*time.Millisecond), executed("x3", "10", "10"))
	w.alpaca.send(alice, second, third)
	eventually(t, "the event waits", func() bool { return source.metric(t, "account_update_failures_total", failureRedis) >= 2 })
	w.redis.SetError("")
	want = append(append(want, filled("o2", "x2", second.EventID)...), filled("o3", "x3", third.EventID)...)
	w.expect(alice, want...)
	if again := w.alpaca.timesOpened(alice); again != opened {
		t.Errorf("the stream was opened %d times more", again-opened)
	}
}

// TestRepeatsOfANewStreamAreKnown: what this follower wrote down itself it does not write down again.
func TestRepeatsOfANewStreamAreKnown(t *testing.T) {
	t.Parallel()
	k := heard{}
	start := time.Now()
	for i := range 3 * maxKnown {
		at := start.Add(time.Duration(i) * time.Second)
		e := trade("new", "o", at)
		k.add(&e, at)
		if _, ok := k[e.EventID]; !ok {
			t.Fatal("the event is not known")
		}
		if len(k) > maxKnown+1 {
			t.Fatalf("%d are kept", len(k))
		}
	}
	k.add(&alpaca.TradeEvent{}, start) // one without an ID can't be told from others
	if _, ok := k[""]; ok {
		t.Fatal("an event without an ID is known")
	}
}
