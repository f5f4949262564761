package stream

import (
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/functions/quote/interest"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// Who comes back to a topic in the moment in which it is forgotten must be heard for, and the feed must be told.
func TestTopicIsWatchedAgainWhileItIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(Config{})
	c := i.newClient("again", nil)
	ids := make([]tick.Topic, 500)
	for n := range ids {
		ids[n] = tick.Topic{Class: tick.Stock, Kind: tick.Quote, Symbol: fmt.Sprintf("S%d", n)}
	}
	for range 100 {
		i.hub.unsubscribe(c, ids[:1])
		i.hub.subscribe(c, ids)
		i.hub.unsubscribe(c, ids)
		var both sync.WaitGroup
		both.Go(func() { i.hub.sweep(time.Now().Add(2 * linger)) })
		both.Go(func() { i.hub.subscribe(c, ids[:1]) })
		both.Wait()
		i.listener.mu.Lock()
		heard := i.listener.places[placeOf(ids[0])]
		i.listener.mu.Unlock()
		if !heard {
			t.Fatal("nobody listens to the channel of what is watched")
		}
	}
	reader := interest.NewReader(w.client)
	watched := map[tick.Topic]int{}
	storetest.Eventually(t, "the feed knows what is watched", func() bool {
		read, changed, err := reader.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if changed {
			watched = read
		}
		return maps.Equal(watched, map[tick.Topic]int{ids[0]: 1})
	})
}
