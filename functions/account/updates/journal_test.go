package updates

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// The journal and the active set work on every kind of Redis.
func TestJournal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		ctx := t.Context()
		journal := newJournal(client)
		first, second := lease.New(client, "first"), lease.New(client, "second")
		held, err := first.Acquire(ctx, store.UpdatesLeaseKey(alice), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		fill := trade("fill", "o", start(), executed("x", "10", "10"))
		older := trade("new", "o0", start().Add(-time.Second))
		record := func(held lease.Lease, eventID string, entries []entry) (bool, error) {
			return journal.record(ctx, held, alice, "", eventID, entries, ended{})
		}
		entries, err := translate(alice, &fill, start())
		if err != nil {
			t.Fatal(err)
		}
		if news, err := record(held, fill.EventID, entries); err != nil || !news {
			t.Fatalf("first: %v %v", news, err)
		}
		if news, err := record(held, fill.EventID, entries); err != nil || news {
			t.Fatalf("repeat: %v %v", news, err)
		}
		earlier, err := translate(alice, &older, start())
		if err != nil {
			t.Fatal(err)
		}
		if news, err := record(held, older.EventID, earlier); err != nil || !news {
			t.Fatalf("older but unheard: %v %v", news, err)
		}
		at, err := journal.position(ctx, alice)
		if err != nil || at != fill.EventID {
			t.Fatalf("the cursor went to %s, %v", at, err)
		}
		if news, err := record(held, "not a ULID", nil); err != nil || news {
			t.Fatalf("no ULID: %v %v", news, err)
		}

		if err := first.Release(ctx, held); err != nil {
			t.Fatal(err)
		}
		if _, err := record(held, fill.EventID, entries); !errors.Is(err, errFenced) {
			t.Fatalf("without a lease: %v", err)
		}
		if _, err := second.Acquire(ctx, store.UpdatesLeaseKey(alice), time.Minute); err != nil {
			t.Fatal(err)
		}
		if _, err := record(held, newID(start().Add(time.Second)), nil); !errors.Is(err, errFenced) {
			t.Fatalf("with a former lease: %v", err)
		}
		if n := client.XLen(ctx, store.OutboxKey(store.Shard(alice))).Val(); n != int64(len(entries)+len(earlier)) {
			t.Fatalf("the outbox has %d events", n)
		}
		checkActive(t, newActiveSet(client), client)
	})
}

func checkActive(t *testing.T, active *activeSet, client redis.UniversalClient) {
	t.Helper()
	ctx := t.Context()
	for i, id := range []string{alice, bob} {
		key := store.ActiveAccountsKey(store.Shard(id))
		if err := client.ZAdd(ctx, key, redis.Z{Score: float64(start().UnixMilli() + int64(i)), Member: id}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if accounts, err := active.accounts(ctx); err != nil || len(accounts) != 2 {
		t.Fatal(accounts, err)
	}
	last, err := active.last(ctx, bob)
	if err != nil || !last.Equal(start().Add(time.Millisecond)) {
		t.Fatal(last, err)
	}
	if removed, err := active.remove(ctx, bob, start()); err != nil || removed {
		t.Fatalf("removed in spite of a later order: %v %v", removed, err)
	}
	if removed, err := active.remove(ctx, bob, last); err != nil || !removed {
		t.Fatalf("not removed: %v %v", removed, err)
	}
}
