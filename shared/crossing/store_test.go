package crossing_test

import (
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/crossing"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func shard() int { return store.Shard("ACC001") }

func load(t *testing.T, s *crossing.Store, token int64) map[string]*crossing.Entry {
	t.Helper()
	entries, _, err := s.Load(t.Context(), shard(), token)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]*crossing.Entry{}
	for _, e := range entries {
		byID[e.ID] = e
	}
	return byID
}

func outbox(t *testing.T, client redis.UniversalClient) []event.Event {
	t.Helper()
	entries, err := client.XRange(t.Context(), store.OutboxKey(shard()), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var all []event.Event
	for _, entry := range entries {
		var e event.Event
		if err := json.Unmarshal([]byte(entry.Values["event"].(string)), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestCreateListDelete(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := crossing.NewStore(client)
		for _, id := range []string{"w1", "w2"} {
			if err := s.Create(t.Context(), watch(id, crossing.Above, "100.05", false), 2); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Create(t.Context(), watch("w3", crossing.Above, "1", false), 2); !errors.Is(err, crossing.ErrTooMany) {
			t.Fatalf("got %v", err)
		}
		found, err := s.List(t.Context(), "ACC001")
		if err != nil || len(found) != 2 || found[0].ID != "w1" || found[0].Level.String() != "100.05" {
			t.Fatalf("%+v, %v", found, err)
		}
		for _, other := range []string{"ACC002", "ACC999"} { // one of them may share the shard: it owns nothing
			if _, err := s.Get(t.Context(), other, "w1"); !errors.Is(err, crossing.ErrNotFound) {
				t.Errorf("%s reads it: %v", other, err)
			}
			if err := s.Delete(t.Context(), other, "w1"); !errors.Is(err, crossing.ErrNotFound) {
				t.Errorf("%s deletes it: %v", other, err)
			}
		}
		if err := s.Delete(t.Context(), "ACC001", "w1"); err != nil {
			t.Fatal(err)
		}
		if got := load(t, s, 1); len(got) != 1 || got["w2"] == nil || !got["w2"].Armed {
			t.Fatalf("%v", got)
		}
	})
}

// However many try the same change at once, it happens once and is told once.
func TestCrossingIsToldOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := crossing.NewStore(client)
		if err := s.Create(t.Context(), watch("once", crossing.Above, "100", false), 10); err != nil {
			t.Fatal(err)
		}
		entry := load(t, s, 7)["once"]
		var did atomic.Int64
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				c := crossing.Change{Entry: entry, Fired: true, Armed: true, Price: decimal.MustParse("100.5"), At: time.Now()}
				done, err := s.Apply(t.Context(), &c, 7)
				if err != nil {
					t.Error(err)
				}
				if done {
					did.Add(1)
				}
			})
		}
		group.Wait()
		events := outbox(t, client)
		if did.Load() != 1 || len(events) != 1 || events[0].ID() != "once:1" || events[0].Type() != event.TypeQuoteCrossed || events[0].Subject() != "ACC001" {
			t.Fatalf("%d did it, %v", did.Load(), events)
		}
		var data event.QuoteCrossed
		if err := events[0].DataAs(&data); err != nil || data.WatchID != "once" || data.Price.String() != "100.5" || data.Level.String() != "100" {
			t.Fatalf("%+v, %v", data, err)
		}
		if got := load(t, s, 7); len(got) != 0 {
			t.Fatalf("the watch is still there: %v", got)
		}
	})
}

func TestRepeatedWatchKeepsItsState(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := crossing.NewStore(client)
		if err := s.Create(t.Context(), watch("r", crossing.Below, "100", true), 10); err != nil {
			t.Fatal(err)
		}
		for round := range int64(3) {
			e := load(t, s, 7)["r"] // as a feed that has just begun
			if e.Fires != round || !e.Armed {
				t.Fatalf("round %d: %+v", round, e)
			}
			fire := crossing.Change{Entry: e, Fired: true, Fires: round, Armed: true, Price: decimal.MustParse("99"), At: time.Now()}
			if done, err := s.Apply(t.Context(), &fire, 7); !done || err != nil {
				t.Fatalf("round %d: %t %v", round, done, err)
			}
			if e := load(t, s, 7)["r"]; e.Fires != round+1 || e.Armed {
				t.Fatalf("round %d: %+v", round, e)
			}
			back := crossing.Change{Entry: e, Fires: round + 1, Price: decimal.MustParse("101"), At: time.Now()}
			if done, err := s.Apply(t.Context(), &back, 7); !done || err != nil {
				t.Fatalf("round %d: %t %v", round, done, err)
			}
		}
		if got := outbox(t, client); len(got) != 3 || got[2].ID() != "r:3" {
			t.Fatalf("%v", got)
		}
	})
}

func TestFormerFeedIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := crossing.NewStore(client)
		if err := s.Create(t.Context(), watch("w", crossing.Above, "100", false), 10); err != nil {
			t.Fatal(err)
		}
		entry := load(t, s, 7)["w"]
		load(t, s, 8) // the next feed
		c := crossing.Change{Entry: entry, Fired: true, Armed: true, Price: decimal.MustParse("101"), At: time.Now()}
		if done, err := s.Apply(t.Context(), &c, 7); done || !errors.Is(err, crossing.ErrFenced) {
			t.Fatalf("%t, %v", done, err)
		}
		if _, _, err := s.Load(t.Context(), shard(), 7); !errors.Is(err, crossing.ErrFenced) {
			t.Fatalf("load: %v", err)
		}
		if got := outbox(t, client); len(got) != 0 {
			t.Fatalf("%v", got)
		}
		if done, err := s.Apply(t.Context(), &c, 8); !done || err != nil {
			t.Fatalf("%t, %v", done, err)
		}
	})
}
