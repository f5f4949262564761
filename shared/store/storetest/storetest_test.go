package storetest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestEachStartsEmptyAndAdvances(t *testing.T) {
	for range 2 { // the second round meets the first one's servers
		storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
			key := store.OutboxKey(1)
			if n, err := client.Exists(t.Context(), key).Result(); n != 0 || err != nil {
				t.Fatalf("the database is not empty: %d, %v", n, err)
			}
			if err := client.Set(t.Context(), key, "x", 20*time.Millisecond).Err(); err != nil {
				t.Fatal(err)
			}
			before, err := store.Now(t.Context(), client)
			if err != nil {
				t.Fatal(err)
			}
			advance(25 * time.Millisecond)
			after, err := store.Now(t.Context(), client)
			if err != nil || after.Sub(before) < 25*time.Millisecond {
				t.Fatalf("from %s to %s, %v", before, after, err)
			}
			if err := client.Get(t.Context(), key).Err(); !errors.Is(err, redis.Nil) {
				t.Fatalf("the key outlived its TTL: %v", err)
			}
		})
	}
}
