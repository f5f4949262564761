package intent_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// TestResumedIntentIsFollowedAgain: an account that was left as idle gets its fills when an old intent is taken up.
func TestResumedIntentIsFollowedAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		rate := bucket.Rate{Limit: 100, Period: time.Minute}
		intents := intent.NewStore(client, intent.Config{Limits: limits(rate, rate.Limit, 0), Window: rate.Period, Lease: 50 * time.Millisecond})
		r := intent.Request{ID: intent.ID{AccountID: "followed", ClientOrderID: "c"}, Fingerprint: "f", Body: []byte("{}")}
		if got, err := intents.Reserve(t.Context(), r); err != nil || got.Outcome != intent.New {
			t.Fatalf("%+v, %v", got, err)
		}
		active := store.ActiveAccountsKey(store.Shard("followed"))
		if n, err := client.ZRem(t.Context(), active, "followed").Result(); err != nil || n != 1 {
			t.Fatalf("a new intent did not make its account active: %d, %v", n, err)
		}
		advance(time.Second)
		storetest.Eventually(t, "the lease to end", func() bool {
			got, err := intents.Reserve(t.Context(), r)
			return err == nil && got.Outcome == intent.Resume
		})
		if err := client.ZScore(t.Context(), active, "followed").Err(); err != nil {
			t.Fatalf("a resumed intent did not make its account active: %v", err)
		}
	})
}
