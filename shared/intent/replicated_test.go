package intent_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func replicated(replicas int) intent.Config {
	config := wide()
	config.Replicas, config.ReplicaTimeout = replicas, 20*time.Millisecond
	return config
}

// An intent that is confirmed is on the replica of its own shard's master, whichever that is.
func TestIntentWaitsForItsReplica(t *testing.T) {
	client := storetest.Replicated(t)
	config := replicated(1)
	config.ReplicaTimeout = 10 * time.Second // a busy machine's
	s := intent.NewStore(client, config)
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		t.Fatalf("%T is no cluster", client)
	}
	for _, accountID := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		r := intent.Request{ID: intent.ID{AccountID: accountID, ClientOrderID: "c"}, IdempotencyKey: "k", Fingerprint: "f", Body: []byte("{}")}
		mustReserve(t, s, r, intent.New)
		replica, err := cluster.SlaveForKey(t.Context(), store.IntentKey(accountID, "c"))
		if err != nil {
			t.Fatal(err)
		}
		copied := false
		for _, key := range replica.Keys(t.Context(), "*").Val() { // KEYS looks at the replica's own copy
			copied = copied || key == store.IntentKey(accountID, "c")
		}
		if !copied {
			t.Fatalf("the intent of %s is not on the replica", accountID)
		}
		mustReserve(t, s, r, intent.InProgress)
	}
}

// With fewer replicas than asked for nothing may be sent, and nothing is left behind.
func TestIntentWithoutReplicasIsRefused(t *testing.T) {
	for name, client := range map[string]redis.UniversalClient{"server": storetest.Server(t), "cluster": storetest.Replicated(t)} {
		t.Run(name, func(t *testing.T) {
			s := intent.NewStore(client, replicated(2))
			r := keyed("k", "c", "buy")
			if got, err := s.Reserve(t.Context(), r); !errors.Is(err, intent.ErrNotReplicated) || got.Token != 0 || !strings.Contains(err.Error(), "of 2") {
				t.Fatalf("%+v, %v", got, err)
			}
			if n := client.Exists(t.Context(), store.IntentKey(account, "c")).Val(); n != 0 {
				t.Fatal("the intent is still there")
			}
			if found := abandoned(t, s); len(found) != 0 {
				t.Fatalf("%+v", found)
			}
			mustReserve(t, intent.NewStore(client, wide()), r, intent.New) // a repeat starts anew
		})
	}
}

// An intent that was left behind, and could not be taken over for want of replicas, is left to the next.
func TestTakeoverWithoutReplicasIsGivenBack(t *testing.T) {
	client := storetest.Server(t)
	s := intent.NewStore(client, wide())
	r := order("c", "buy")
	first := mustReserve(t, s, r, intent.New)
	if err := s.Yield(t.Context(), r.ID, first.Token); err != nil {
		t.Fatal(err)
	}
	if _, err := intent.NewStore(client, replicated(1)).Reserve(t.Context(), r); !errors.Is(err, intent.ErrNotReplicated) {
		t.Fatal(err)
	}
	mustReserve(t, s, r, intent.Resume)
}
