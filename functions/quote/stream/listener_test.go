package stream

import (
	"slices"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/functions/quote/feed/status"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func stateIs(state string) func(received) bool {
	return func(m received) bool { return m.Type == "status" && m.AssetClass == "us_equity" && m.State == state }
}

// The feed may have nothing new to say for hours: what it said last holds for the first client too.
func TestFirstClientIsToldHowTheFeedIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(Config{})
	w.reportStocks(1, status.Class{State: status.Connecting, Detail: "no connection"})
	c := i.open(w.token("ACC001", time.Hour), "AAPL")
	c.until("connecting", stateIs("connecting"))
}

// What an instance knew of the feed ends when it no longer listens.
func TestNextClientIsNotToldWhatHeldForTheFormer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(Config{})
	depart := func(c *reader) {
		t.Helper()
		_ = c.conn.CloseNow()
		storetest.Eventually(t, "the client has left", func() bool { return i.hub.count() == 0 })
		i.hub.sweep(time.Now().Add(2 * linger))
		storetest.Eventually(t, "the instance no longer listens", func() bool {
			return w.hearers("AAPL") == 0 && len(w.client.PubSubChannels(t.Context(), "*feed*").Val()) == 0
		})
	}
	next := func(state string) *reader {
		t.Helper()
		c := i.open(w.token("ACC001", time.Hour), "AAPL")
		if m := c.until("the state of the feed", ofType("status")); m.State != state {
			t.Fatalf("%s, not %s", m.State, state)
		}
		return c
	}
	w.report(1, 0)
	c := next("live")
	depart(c)
	w.reportStocks(1, status.Class{State: status.Connecting, Detail: "no connection"})
	c = next("connecting")
	c.until("stale", stateIs("stale"))
	depart(c)
	w.report(2, 0)
	next("live")
}

// Redis that lost its data takes the feed's count of gaps along: the next leader begins anew, with another token.
func TestTakeoverWithoutMemoryIsAGap(t *testing.T) {
	t.Parallel()
	w, c := newWatched(t)
	w.redis.FlushAll()
	clear(w.sequences)
	w.report(2, 0)
	w.publish(2, "AAPL", 160)
	if m := c.until("the gap", ofType("gap")); m.Reason != "missed" || !slices.Equal(m.Symbols, []string{"AAPL"}) {
		t.Fatalf("%+v", m.Message)
	}
	w.publish(2, "AAPL", 161)
	c.until("the next tick", func(m received) bool {
		if m.Type == "gap" {
			t.Fatalf("another gap: %+v", m.Message)
		}
		return bid("AAPL", 161)(m)
	})
}
