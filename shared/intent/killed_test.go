package intent_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/killswitch"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// TestOrderOnItsWayWhenTheSwitchIsTripped: it may have reached Alpaca after what was open was canceled, so that its own
// instance is told to cancel it; and it is not sent a second time.
func TestOrderOnItsWayWhenTheSwitchIsTripped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		r := order("c", "")
		got := mustReserve(t, s, r, intent.New)
		trip := killswitch.State{Engaged: true, CancelOrders: true, Reason: "drill", At: time.Unix(1, 0)}
		if err := killswitch.NewStore(client).Set(t.Context(), killswitch.All, trip); err != nil {
			t.Fatal(err)
		}
		if err := s.Hold(t.Context(), r.ID, got.Token, false, ""); !errors.Is(err, intent.ErrKilled) {
			t.Fatal(err)
		}
		for range 2 { // its first answer may be lost
			if err := s.Settle(t.Context(), ending(r.ID, got.Token, intent.Acknowledged)); !errors.Is(err, intent.ErrCancel) {
				t.Fatal(err)
			}
		}
		mustReserve(t, s, r, intent.Replay)
		if got := mustReserve(t, s, order("another", ""), intent.Killed); got.Killed == "" {
			t.Fatalf("%+v", got)
		}
	})
}

// TestCloseWhileTheSwitchIsTripped: a way out of a position passes a switch that allows it, at every step, and is not
// canceled with the rest; one switch that forbids it is enough.
func TestCloseWhileTheSwitchIsTripped(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s, switches := intent.NewStore(client, wide()), killswitch.NewStore(client)
		trip := killswitch.State{Engaged: true, CancelOrders: true, AllowCloses: true, Reason: "drill", At: time.Unix(1, 0)}
		if err := switches.Set(t.Context(), killswitch.All, trip); err != nil {
			t.Fatal(err)
		}
		mustReserve(t, s, order("new risk", ""), intent.Killed)
		exit := order("close", "")
		exit.Exit = true
		got := mustReserve(t, s, exit, intent.New)
		if err := s.Hold(t.Context(), exit.ID, got.Token, true, ""); err != nil {
			t.Fatal(err)
		}
		settlement := ending(exit.ID, got.Token, intent.Acknowledged)
		settlement.Exit = true
		if err := s.Settle(t.Context(), settlement); err != nil {
			t.Fatal(err)
		}
		late := order("late", "")
		late.Exit = true
		lateGot := mustReserve(t, s, late, intent.New)
		trip.AllowCloses = false
		if err := switches.Set(t.Context(), late.AccountID, trip); err != nil {
			t.Fatal(err)
		}
		if err := s.Hold(t.Context(), late.ID, lateGot.Token, true, ""); !errors.Is(err, intent.ErrKilled) {
			t.Fatal(err)
		}
		refused := order("refused", "")
		refused.Exit = true
		mustReserve(t, s, refused, intent.Killed)
	})
}
