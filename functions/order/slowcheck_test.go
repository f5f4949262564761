package order_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/killswitch"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// slow is a function whose next price look-up waits until release is closed.
type slow struct {
	*bench
	venue            *venue
	arrived, release chan struct{}
}

func newSlow(t *testing.T, client redis.UniversalClient, options ...option) *slow {
	t.Helper()
	path := filepath.Join(t.TempDir(), "controls.json")
	if err := os.WriteFile(path, []byte(`{"defaults":{"risk":{"max_order_value":1000,"min_cash":null}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	v := startVenue(t)
	options = append(options, func(c *orderfn.Config) { c.ControlsFile = path })
	s := &slow{bench: start(t, client, v.server.URL, options...), venue: v, arrived: make(chan struct{}), release: make(chan struct{})}
	if err := s.function.Controls.Load(); err != nil {
		t.Fatal(err)
	}
	v.fail(read, func(w http.ResponseWriter, _ *http.Request, _ func(http.ResponseWriter)) {
		close(s.arrived)
		<-s.release
		write(w, http.StatusOK, json.RawMessage(`{"quotes":{"AAPL":{"t":"2026-11-23T14:30:00Z","bp":100,"ap":100,"bs":1,"as":1}}}`))
	})
	return s
}

// trip sets the kill switch of all accounts.
func (s *slow) trip(cancelOrders bool) {
	s.t.Helper()
	state := killswitch.State{Engaged: true, CancelOrders: cancelOrders, Reason: "drill", At: opening()}
	if err := killswitch.NewStore(s.redis).Set(s.t.Context(), killswitch.All, state); err != nil {
		s.t.Fatal(err)
	}
}

// during places an order and does something while its price is looked up.
func (s *slow) during(do func()) reply {
	s.t.Helper()
	answers := make(chan reply, 1)
	go func() { answers <- s.place(`{"client_order_id":"mine"}`) }()
	<-s.arrived
	do()
	close(s.release)
	return <-answers
}

// TestKillSwitchDuringASlowCheck: an order that was reserved before is not sent after the switch was set.
func TestKillSwitchDuringASlowCheck(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		cases := map[string]func(s *slow){
			"this instance knows of it": func(s *slow) {
				s.trip(false)
				if err := s.function.RefreshKillSwitches(t.Context()); err != nil {
					t.Fatal(err)
				}
			},
			"only Redis knows of it": func(s *slow) {
				s.trip(false)
				s.clock.Advance(time.Second)
			},
		}
		for name, trip := range cases {
			t.Run(name, func(t *testing.T) {
				s := newSlow(t, client)
				got := s.during(func() { trip(s) })
				if got.Status == http.StatusCreated || s.venue.count(submit) != 0 {
					t.Fatalf("%s; %d submits", got, s.venue.count(submit))
				}
				if again := s.place(`{"client_order_id":"mine"}`); again.Status != http.StatusUnprocessableEntity {
					t.Errorf("repeated: %s", again)
				}
				if err := killswitch.NewStore(s.redis).Set(t.Context(), killswitch.All, killswitch.State{Reason: "over", At: opening()}); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}

// TestTakenOverDuringASlowCheck: whoever lost the intent meanwhile sends nothing: the sweeper has forgotten the order.
func TestTakenOverDuringASlowCheck(t *testing.T) {
	client := storetest.Server(t)
	s := newSlow(t, client, func(c *orderfn.Config) { c.IntentLease = 40 * time.Millisecond })
	got := s.during(func() {
		storetest.Eventually(t, "the sweeper forgets the intent", func() bool {
			s.sweep()
			return client.ZCard(t.Context(), store.UnsettledKey(store.Shard(s.account))).Val() == 0
		})
		s.clock.Advance(time.Second)
	})
	if got.Status != http.StatusGatewayTimeout || s.venue.count(submit) != 0 {
		t.Fatalf("%s; %d submits", got, s.venue.count(submit))
	}
	if again := s.place(`{"client_order_id":"mine"}`); again.Status != http.StatusCreated {
		t.Errorf("repeated: %s", again)
	}
}
