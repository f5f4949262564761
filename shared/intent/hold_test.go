package intent_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// An owner that takes long keeps its intent as long as it says so; one that was taken over must know.
func TestHoldProlongsTheLease(t *testing.T) {
	client, advance := storetest.Embedded(t)
	s := newStore(client, time.Second)
	r := order("c", "buy")
	first := mustReserve(t, s, r, intent.New)
	for range 5 {
		advance(700 * time.Millisecond)
		if err := s.Hold(t.Context(), r.ID, first.Token, false, ""); err != nil {
			t.Fatal(err)
		}
		mustReserve(t, s, r, intent.InProgress)
		if found := abandoned(t, s); len(found) != 0 {
			t.Fatalf("a held intent counts as abandoned: %+v", found)
		}
	}
	advance(1100 * time.Millisecond)
	second := mustReserve(t, s, r, intent.Resume)
	if err := s.Hold(t.Context(), r.ID, first.Token, false, ""); !errors.Is(err, intent.ErrTakenOver) {
		t.Fatalf("a former owner holds it: %v", err)
	}
	if err := s.Hold(t.Context(), r.ID, second.Token, false, ""); err != nil {
		t.Fatal(err)
	}
	settle(t, s, r.ID, second.Token)
	if err := s.Hold(t.Context(), r.ID, second.Token, false, ""); err != nil {
		t.Fatalf("after it settled: %v", err)
	}
	if found := abandoned(t, s); len(found) != 0 {
		t.Fatalf("a settled intent came back: %+v", found)
	}
}

// The key of a request that met another's order must be free for the request that it belongs to.
func TestDisownForgetsTheKeyToo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		wrong := keyed("k", "c", "sell")
		got := mustReserve(t, s, wrong, intent.New)
		if err := s.Disown(t.Context(), wrong, got.Token+1); !errors.Is(err, intent.ErrTakenOver) {
			t.Fatalf("with a wrong token: %v", err)
		}
		mustReserve(t, s, keyed("k", "c", "buy"), intent.Mismatch)
		if err := s.Disown(t.Context(), wrong, got.Token); err != nil {
			t.Fatal(err)
		}
		mustReserve(t, s, keyed("k", "c", "buy"), intent.New)
	})
}
