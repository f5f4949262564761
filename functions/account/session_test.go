package account

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// newYork is a time of the exchange.
func newYork(t testing.TB, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := time.ParseInLocation("2006-01-02 15:04:05", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// at moves everybody's clock to a time of the exchange.
func (f *fixture) at(text string) {
	f.t.Helper()
	now := newYork(f.t, text)
	f.clock.Set(now)
	f.redis.SetTime(now)
	f.alpaca.set(func(a *fakeAlpaca) { a.now = now })
}

// tick delivers what the PingSource sends, and returns the answer's status.
func (f *fixture) tick(purpose string) int {
	f.t.Helper()
	e := makeEvent(f.t, event.TypeSweepTick, "", map[string]any{})
	e.SetType(event.TypePing)
	e.SetSource("/apis/v1/namespaces/opitios/pingsources/session")
	e.SetExtension(event.ExtensionTick, purpose)
	return f.deliver("/events", e)
}

// announced are the events in the outbox: their IDs, in order.
func (f *fixture) announced() []string {
	f.t.Helper()
	entries, err := f.redis.Stream(store.OutboxKey(store.Shard(store.MarketStream)))
	if err != nil && !f.redis.Exists(store.OutboxKey(store.Shard(store.MarketStream))) {
		return nil
	}
	var ids []string
	for _, entry := range entries {
		for i := 0; i+1 < len(entry.Values); i += 2 {
			if entry.Values[i] != "event" {
				continue
			}
			var e event.Event
			if err := json.Unmarshal([]byte(entry.Values[i+1]), &e); err != nil {
				f.t.Fatal(err)
			}
			ids = append(ids, e.ID())
		}
	}
	return ids
}

func TestSessionsOfADay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, step := range []struct{ at, want string }{
		{"2026-11-25 08:00:00", ""}, // a system that was not there yesterday says nothing about yesterday
		{"2026-11-25 09:15:00", "market-preopen-2026-11-25"},
		{"2026-11-25 09:16:00", ""},
		{"2026-11-25 09:30:00", "market-opened-2026-11-25"},
		{"2026-11-25 12:00:00", ""},
		{"2026-11-25 15:45:00", "market-closing-2026-11-25"},
		{"2026-11-25 16:00:00", "market-closed-2026-11-25"},
		{"2026-11-26 09:30:00", ""},                         // Thanksgiving
		{"2026-11-27 09:31:00", "market-opened-2026-11-27"}, // the tick of the preopen was lost
		{"2026-11-27 12:45:00", "market-closing-2026-11-27"},
		{"2026-11-28 02:00:00", "market-closed-2026-11-27"}, // a half day whose end was told late
		{"2026-11-28 12:00:00", ""},
	} {
		f.at(step.at)
		before := len(f.announced())
		for range 2 {
			if status := f.tick(event.TickSession); status != http.StatusAccepted {
				t.Fatalf("%s: %d", step.at, status)
			}
		}
		got := f.announced()[before:]
		if step.want == "" && len(got) != 0 || step.want != "" && !slices.Equal(got, []string{step.want}) {
			t.Errorf("%s: announced %v, want %q", step.at, got, step.want)
		}
	}
}

func TestSessionOnceAmongManyInstances(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.at("2026-11-25 09:30:00")
	var ticks sync.WaitGroup
	for range 16 {
		ticks.Go(func() { f.tick(event.TickSession) })
	}
	ticks.Wait()
	if got := f.announced(); !slices.Equal(got, []string{"market-opened-2026-11-25"}) {
		t.Errorf("announced %v", got)
	}
}

func TestTickABitEarly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, at := range []string{"2026-11-25 09:29:59", "2026-11-25 09:14:59", "2026-11-25 15:59:59"} {
		f.at(at)
		if status := f.tick(event.TickSession); status != http.StatusServiceUnavailable || len(f.announced()) != 0 {
			t.Errorf("%s: %d, announced %v: want to be asked again", at, status, f.announced())
		}
	}
}

func TestSessionWithoutAlpaca(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.at("2026-11-25 09:30:00")
	f.alpaca.set(func(a *fakeAlpaca) { a.status = http.StatusInternalServerError })
	if status := f.tick(event.TickSession); status != http.StatusAccepted || !slices.Equal(f.announced(), []string{"market-opened-2026-11-25"}) {
		t.Errorf("%d, announced %v: want it by the calendar", status, f.announced())
	}
	f.redis.SetError("LOADING")
	if status := f.tick(event.TickSession); status != http.StatusServiceUnavailable {
		t.Errorf("without Redis: %d", status)
	}
}

func TestTickForSomethingElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.at("2026-11-25 09:30:00")
	if status := f.tick(event.TickSweep); status != http.StatusBadRequest || len(f.announced()) != 0 {
		t.Errorf("%d, announced %v", status, f.announced())
	}
}

func TestSessionsThatAreNoCalendars(t *testing.T) {
	t.Parallel()
	calendar, err := market.NewCalendar()
	if err != nil {
		t.Fatal(err)
	}
	saturday := newYork(t, "2026-11-28 12:00:00")
	for _, test := range []struct {
		name string
		now  alpaca.Clock
		want string
		date string
	}{
		{
			"a market that never closes", alpaca.Clock{Timestamp: saturday, IsOpen: true, NextClose: saturday.Add(52 * time.Hour)},
			event.TypeMarketOpened, "2026-11-28",
		},
		{
			"an unscheduled close", alpaca.Clock{Timestamp: newYork(t, "2026-11-25 11:00:00"), NextOpen: newYork(t, "2026-11-27 09:30:00")},
			event.TypeMarketClosed, "2026-11-24",
		},
	} {
		got, err := sessionAt(&test.now, calendar, 15*time.Minute)
		if err != nil || got.eventType != test.want || got.date != test.date {
			t.Errorf("%s: %+v, %v", test.name, got, err)
		}
	}
}
