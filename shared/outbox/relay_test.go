package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/outbox"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// errLater is what event.Publisher returns for a broker that is away.
var errLater = fmt.Errorf("test: %w", event.ErrLater)

// sink is a broker that remembers what it took, and refuses what refuse says.
type sink struct {
	mu     sync.Mutex
	taken  []event.Event
	refuse func(ctx context.Context, e event.Event) error
}

func (s *sink) PublishWhile(ctx context.Context, e event.Event, holds func(context.Context) error) error {
	if s.refuse != nil {
		if err := s.refuse(ctx, e); err != nil {
			return err
		}
	}
	if err := holds(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, e)
	return nil
}

// ids are the IDs of what was taken of an account, in order.
func (s *sink) ids(account string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, e := range s.taken {
		if e.Subject() == account {
			ids = append(ids, e.ID())
		}
	}
	return ids
}

func newRelay(client redis.UniversalClient, owner string, to *sink) *outbox.Relay {
	return outbox.New(client, lease.New(client, owner), to, zap.NewNop())
}

// put appends an event to the account's outbox as the functions' scripts do.
func put(t testing.TB, client redis.UniversalClient, account, id string) {
	t.Helper()
	made, err := event.New(event.TypeAccountUpdated, "/test", account, event.AccountUpdated{AccountID: account, Reason: id}, event.WithID(id))
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	putText(t, client, account, id, string(encoded))
}

func putText(t testing.TB, client redis.UniversalClient, account, id, text string) {
	t.Helper()
	script := store.NewScript(`return append_event(KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[2], 60000, 1000)`)
	keys := []string{store.OutboxKey(store.Shard(account)), store.SequenceKey(account), store.SeenKey(account, id)}
	if err := script.Run(t.Context(), client, keys, account, text).Err(); err != nil {
		t.Fatal(err)
	}
}

func left(t testing.TB, client redis.UniversalClient, account string) int64 {
	t.Helper()
	n, err := client.XLen(t.Context(), store.OutboxKey(store.Shard(account))).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustFlush(t testing.TB, r *outbox.Relay) {
	t.Helper()
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func numbered(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = prefix + strconv.Itoa(i)
	}
	return ids
}

func TestFlushPublishesEachAccountInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		to := &sink{}
		accounts := numbered("ACC", 5)
		ids := numbered("e", 60) // with five accounts more than one batch, should they share a shard
		for _, id := range ids {
			for _, account := range accounts {
				put(t, client, account, id)
			}
		}
		mustFlush(t, newRelay(client, "a", to))
		for _, account := range accounts {
			if got := to.ids(account); !slices.Equal(got, ids) {
				t.Errorf("%s: %v", account, got)
			}
			if n := left(t, client, account); n != 0 {
				t.Errorf("%s: %d entries left", account, n)
			}
		}
		mustGrow(t, to)
	})
}

// mustGrow wants every account's sequence, 20 digits that compare as text, to grow from event to event.
func mustGrow(t *testing.T, to *sink) {
	t.Helper()
	last := map[string]string{}
	for _, e := range to.taken {
		sequence := event.Extension(e, event.ExtensionSequence)
		if len(sequence) != 20 || sequence <= last[e.Subject()] {
			t.Fatalf("%s: sequence %q after %q", e.Subject(), sequence, last[e.Subject()])
		}
		last[e.Subject()] = sequence
	}
}

// Whatever Redis forgets, a later event has a larger sequence than all before it.
func TestSequenceGrowsOverALossOfRedis(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		to := &sink{}
		relay := newRelay(client, "a", to)
		for round := range 3 {
			for i := range 3 { // faster than the clock, where it stands still
				put(t, client, "ACC001", fmt.Sprintf("e%d-%d", round, i))
			}
			mustFlush(t, relay)
			shard := store.Shard("ACC001")
			if err := client.Del(t.Context(), store.SequenceKey("ACC001"), store.OutboxKey(shard)).Err(); err != nil {
				t.Fatal(err)
			}
			advance(time.Millisecond)
		}
		if len(to.taken) != 9 {
			t.Fatalf("%d events", len(to.taken))
		}
		mustGrow(t, to)
	})
}

// sameShard returns two accounts whose events share a stream.
func sameShard() (first, second string) {
	first = "ACC001"
	for i := 0; ; i++ {
		second = "B" + strconv.Itoa(i)
		if store.Shard(second) == store.Shard(first) {
			return first, second
		}
	}
}

func TestNothingOvertakesAnEventThatWaits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		held, free := sameShard()
		to := &sink{refuse: func(_ context.Context, e event.Event) error {
			if e.Subject() == held && e.ID() == "e1" {
				return errLater
			}
			return nil
		}}
		ids := numbered("e", 4)
		for _, id := range ids {
			put(t, client, held, id)
			put(t, client, free, id)
		}
		relay := newRelay(client, "a", to)
		if err := relay.Flush(t.Context()); !errors.Is(err, event.ErrLater) {
			t.Fatalf("got %v, want what the broker said", err)
		}
		if got := to.ids(held); !slices.Equal(got, ids[:1]) {
			t.Fatalf("an event overtook: %v", got)
		}
		if got := to.ids(free); !slices.Equal(got, ids) {
			t.Fatalf("another account waits as well: %v", got)
		}
		to.refuse = nil
		mustFlush(t, relay)
		if got := to.ids(held); !slices.Equal(got, ids) || left(t, client, held) != 0 {
			t.Fatalf("got %v, %d left", got, left(t, client, held))
		}
	})
}

func TestRefusedEventsAreBuried(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		const account = "ACC001"
		to := &sink{refuse: func(_ context.Context, e event.Event) error {
			if e.ID() == "bad" {
				return fmt.Errorf("test: %w", event.ErrRefused)
			}
			return nil
		}}
		put(t, client, account, "first")
		put(t, client, account, "bad")
		putText(t, client, account, "garbage", "{")
		put(t, client, account, "last")
		mustFlush(t, newRelay(client, "a", to))
		if got := to.ids(account); !slices.Equal(got, []string{"first", "last"}) || left(t, client, account) != 0 {
			t.Fatalf("got %v, %d left", got, left(t, client, account))
		}
		buried, err := client.XRange(t.Context(), store.DeadLettersKey(), "-", "+").Result()
		if err != nil || len(buried) != 2 {
			t.Fatalf("%d dead letters, %v", len(buried), err)
		}
		for _, letter := range buried {
			if letter.Values["reason"] == "" || letter.Values["event"] == "" || letter.Values["destination"] != "broker" {
				t.Errorf("dead letter %v", letter.Values)
			}
		}
	})
}

func TestTakeoverFromADeadInstance(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		const account = "ACC001"
		to := &sink{}
		put(t, client, account, "e")
		dead := lease.New(client, "dead")
		key := store.OutboxLeaseKey(store.Shard(account))
		if _, err := dead.Acquire(t.Context(), key, time.Minute); err != nil {
			t.Fatal(err)
		}
		relay := newRelay(client, "a", to)
		mustFlush(t, relay) // what another instance drains is not ours to wait for
		if len(to.taken) != 0 {
			t.Fatal("published under another instance's lease")
		}
		if _, err := dead.Acquire(t.Context(), key, 20*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		advance(25 * time.Millisecond)
		mustFlush(t, relay)
		if got := to.ids(account); !slices.Equal(got, []string{"e"}) {
			t.Fatalf("got %v", got)
		}
		if n, err := client.Exists(t.Context(), key).Result(); n != 0 || err != nil {
			t.Fatalf("the lease was not given back: %d, %v", n, err)
		}
	})
}

// An instance whose lease has run out must not still be publishing: the next owner's events would arrive before its.
func TestPublishEndsBeforeTheLease(t *testing.T) {
	client := storetest.Server(t)
	const account = "ACC001"
	key := store.OutboxLeaseKey(store.Shard(account))
	to := &sink{refuse: func(ctx context.Context, _ event.Event) error {
		deadline, bounded := ctx.Deadline()
		remaining := time.Until(deadline)
		ttl, err := client.PTTL(context.Background(), key).Result()
		if !bounded || err != nil || remaining >= ttl {
			t.Errorf("a publish may take %s, the lease ends in %s, %v", remaining, ttl, err)
		}
		return nil
	}}
	for _, id := range numbered("e", 300) { // so that the lease is renewed in between
		put(t, client, account, id)
	}
	mustFlush(t, newRelay(client, "a", to))
}

func TestFlushWithoutRedis(t *testing.T) {
	if err := newRelay(storetest.Away(t), "a", &sink{}).Flush(t.Context()); err == nil {
		t.Fatal("nothing was published, and no error says so")
	}
}

// running runs a relay until the test ends.
func running(t *testing.T, relay *outbox.Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		relay.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(stop)
	return stop
}

func TestRunPublishesWhatItFindsAndWhatItIsToldOf(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		to := &sink{}
		put(t, client, "ACC001", "found")
		relay := newRelay(client, "a", to)
		running(t, relay)
		storetest.Eventually(t, "what was there is published", func() bool { return len(to.ids("ACC001")) == 1 })
		put(t, client, "ACC002", "told")
		relay.Notify("ACC002")
		storetest.Eventually(t, "what it is told of is published", func() bool { return len(to.ids("ACC002")) == 1 })
		put(t, client, "ACC003", "polled")
		storetest.Eventually(t, "what others left is published", func() bool { return len(to.ids("ACC003")) == 1 })
	})
}

func TestRunTriesAgain(t *testing.T) {
	client, _ := storetest.Embedded(t)
	var mu sync.Mutex
	tries := 0
	to := &sink{refuse: func(context.Context, event.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if tries++; tries < 4 {
			return errLater
		}
		return nil
	}}
	put(t, client, "ACC001", "e")
	running(t, newRelay(client, "a", to))
	storetest.Eventually(t, "the event is published", func() bool { return len(to.ids("ACC001")) == 1 })
}

func TestRunEndsDuringAPublish(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		const account = "ACC001"
		began := make(chan struct{})
		to := &sink{refuse: func(ctx context.Context, e event.Event) error {
			if e.ID() == "e0" {
				return nil
			}
			close(began)
			<-ctx.Done()
			return errLater
		}}
		put(t, client, account, "e0")
		put(t, client, account, "e1")
		stop := running(t, newRelay(client, "a", to))
		<-began
		stop()
		if n := left(t, client, account); n != 1 {
			t.Fatalf("%d entries left, want the one that was not taken", n)
		}
		next := &sink{}
		mustFlush(t, newRelay(client, "b", next)) // at once: the lease was given back
		if got := next.ids(account); !slices.Equal(got, []string{"e1"}) {
			t.Fatalf("the next instance published %v", got)
		}
	})
}

// Two instances, a broker that often says "later", and events that come meanwhile: every account's events arrive once
// and in order.
func TestTwoRelaysKeepTheOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		first, second := sameShard()
		accounts := []string{first, second, "ACC002", "ACC003"}
		to := &sink{refuse: func(context.Context, event.Event) error {
			if rand.IntN(40) == 0 {
				return errLater
			}
			return nil
		}}
		relays := []*outbox.Relay{newRelay(client, "a", to), newRelay(client, "b", to)}
		for _, relay := range relays {
			running(t, relay)
		}
		ids := numbered("e", 60)
		var wait sync.WaitGroup
		for _, account := range accounts {
			wait.Go(func() {
				for i, id := range ids {
					put(t, client, account, id)
					relays[i%2].Notify(account)
				}
			})
		}
		wait.Wait()
		for _, account := range accounts {
			storetest.Eventually(t, "everything is published", func() bool { return len(to.ids(account)) >= len(ids) })
			if got := to.ids(account); !slices.Equal(got, ids) {
				t.Errorf("%s: %v", account, got)
			}
		}
	})
}

// Look must not wait for the poll.
func TestLookDrainsAtOnce(t *testing.T) {
	client := storetest.Server(t)
	to := &sink{}
	relay := newRelay(client, "a", to)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); relay.Run(ctx) }()
	for i := range 3 {
		put(t, client, "ACC001", fmt.Sprint("e", i))
		if err := relay.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		storetest.Eventually(t, "it is published", func() bool { return len(to.ids("ACC001")) == i+1 })
	}
	cancel()
	<-done
	if err := newRelay(storetest.Away(t), "a", to).Look(t.Context()); err == nil {
		t.Error("looked without Redis")
	}
}

// TestFlushedRedisEndsTheBatch: the lease goes with everything else, and what a batch under way still holds is made anew by
// whoever comes next, with larger numbers: it must not be published behind those.
func TestFlushedRedisEndsTheBatch(t *testing.T) {
	client := storetest.Server(t)
	for _, id := range numbered("e", 10) {
		put(t, client, "ACC001", id)
	}
	to := &sink{}
	to.refuse = func(_ context.Context, e event.Event) error {
		if e.ID() == "e0" {
			return nil
		}
		if err := client.Del(t.Context(), store.OutboxLeaseKey(store.Shard("ACC001"))).Err(); err != nil {
			t.Error(err)
		}
		<-time.After(outbox.HoldEvery + 10*time.Millisecond) // what the relay takes on trust
		return nil
	}
	if err := newRelay(client, "a", to).Flush(t.Context()); !errors.Is(err, lease.ErrLost) {
		t.Fatalf("got %v", err)
	}
	if got := to.ids("ACC001"); len(got) != 1 || left(t, client, "ACC001") != 9 {
		t.Fatalf("published %v, %d are left", got, left(t, client, "ACC001"))
	}
}
