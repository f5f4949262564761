package intent_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// The answer to Settle may be lost: the owner that then yields, forgets or settles otherwise must not undo it.
func TestSettledIsFinal(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		r := order("c", "buy")
		first := mustReserve(t, s, r, intent.New)
		settle(t, s, r.ID, first.Token)
		otherwise := ending(r.ID, first.Token, intent.Rejected)
		otherwise.Result, otherwise.EventID = []byte("no"), "another"
		for verb, err := range map[string]error{
			"settle": s.Settle(t.Context(), otherwise), "yield": s.Yield(t.Context(), r.ID, first.Token),
			"forget": s.Forget(t.Context(), r.ID, first.Token),
		} {
			if err != nil {
				t.Errorf("%s: %v", verb, err)
			}
		}
		if again := mustReserve(t, s, r, intent.Replay); again.State != intent.Acknowledged || string(again.Result) != `{"id":"o-1"}` {
			t.Fatalf("got %+v", again)
		}
		if n := len(events(t, client)); n != 1 {
			t.Fatalf("%d events", n)
		}
	})
}

// A key that was used for a repeat of an order must not later pass for another order's.
func TestKeyOfARepeatIsRemembered(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		first := mustReserve(t, s, order("c", "buy"), intent.New)
		settle(t, s, order("c", "buy").ID, first.Token)
		mustReserve(t, s, keyed("k", "c", "buy"), intent.Replay)
		mustReserve(t, s, keyed("k", "c2", "sell"), intent.Mismatch)
	})
}
