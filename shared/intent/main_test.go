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

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	account = "ACC001"
	// brief is a lease that a test on a real server can wait for; long one that no test sees the end of.
	brief = 40 * time.Millisecond
	long  = time.Minute
)

// plenty is a rate that no test uses up, and whose tokens don't come back while a test runs.
func plenty() bucket.Rate { return bucket.Rate{Limit: 1000, Period: 1000 * time.Hour} }

func newStore(client redis.UniversalClient, lease time.Duration) *intent.Store {
	return intent.NewStore(client, intent.Config{Limits: limits(plenty(), plenty().Limit, 10), Window: plenty().Period, Lease: lease})
}

func named(clientOrderID string) intent.ID {
	return intent.ID{AccountID: account, ClientOrderID: clientOrderID}
}

// request is an order with a body that its fingerprint stands for.
func request(clientOrderID, key, fingerprint string) intent.Request {
	return intent.Request{
		ID: named(clientOrderID), IdempotencyKey: key, Fingerprint: fingerprint, Body: []byte(`{"fingerprint":"` + fingerprint + `"}`),
	}
}

func reserve(t testing.TB, s *intent.Store, r intent.Request) intent.Reservation {
	t.Helper()
	got, err := s.Reserve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func mustReserve(t testing.TB, s *intent.Store, r intent.Request, want intent.Outcome) intent.Reservation {
	t.Helper()
	got := reserve(t, s, r)
	if got.Outcome != want {
		t.Fatalf("reserve %s: got %+v, want %s", r.ClientOrderID, got, want)
	}
	return got
}

// settlement acknowledges an intent with one event.
func settlement(clientOrderID string, token int64) intent.Settlement {
	return intent.Settlement{
		ID: named(clientOrderID), Token: token, State: intent.Acknowledged, Result: []byte(`{"id":"` + clientOrderID + `"}`),
		EventID: clientOrderID + ":accepted", Event: []byte(`{"id":"` + clientOrderID + `"}`),
	}
}

func mustSettle(t testing.TB, s *intent.Store, settled intent.Settlement) {
	t.Helper()
	if err := s.Settle(t.Context(), settled); err != nil {
		t.Fatal(err)
	}
}

// events are the outbox entries of the account.
func events(t testing.TB, client redis.UniversalClient) []redis.XMessage {
	t.Helper()
	entries, err := client.XRange(t.Context(), store.OutboxKey(store.Shard(account)), "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func abandoned(t testing.TB, s *intent.Store) []intent.Abandoned {
	t.Helper()
	found, err := s.Abandoned(t.Context(), store.Shard(account), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// limits are the same for every account.
func limits(orders bucket.Rate, upstream, reserve int) func(string) intent.Limits {
	return func(string) intent.Limits {
		return intent.Limits{Orders: orders, Upstream: bucket.Allowance{Limit: upstream, Reserve: reserve}}
	}
}
