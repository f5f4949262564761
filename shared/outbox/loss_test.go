package outbox_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/outbox"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// forget takes from Redis what it knows of the account's shard, as a flush does.
func forget(t *testing.T, client redis.UniversalClient, account string) {
	t.Helper()
	shard := store.Shard(account)
	for _, key := range []string{
		store.OutboxKey(shard), store.OutboxLeaseKey(shard), store.OutboxLeaseKey(shard) + ":fence", store.SequenceKey(account),
	} {
		if err := client.Del(context.Background(), key).Err(); err != nil {
			t.Error(err)
		}
	}
}

// broker is a sink behind HTTP that takes everything.
func broker(t *testing.T) (*sink, string) {
	t.Helper()
	to := &sink{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := event.ReadRequest(w, r, 1<<20)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		to.mu.Lock()
		defer to.mu.Unlock()
		to.taken = append(to.taken, e)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	return to, server.URL
}

// TestPausedRelaySendsNothing: a relay asked for its lease, and slept before the event left it. Meanwhile Redis was flushed
// and another relay published what was made anew. What the first one has in hand is older, and must stay there.
func TestPausedRelaySendsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		const account = "ACC001"
		to, url := broker(t)
		asleep, woken := make(chan struct{}), make(chan struct{})
		transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			close(asleep)
			<-woken
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}}
		t.Cleanup(transport.CloseIdleConnections)
		publisher, err := event.NewPublisher(url, &http.Client{Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		put(t, client, account, "old")
		paused := make(chan error, 1)
		go func() {
			paused <- outbox.New(client, lease.New(client, "paused"), publisher, zap.NewNop()).Flush(t.Context())
		}()
		<-asleep
		forget(t, client, account)
		put(t, client, account, "new")
		second, err := event.NewPublisher(url, nil)
		if err != nil {
			t.Fatal(err)
		}
		mustFlush(t, outbox.New(client, lease.New(client, "second"), second, zap.NewNop()))
		close(woken)
		if err := <-paused; !errors.Is(err, lease.ErrLost) {
			t.Errorf("the paused relay ended with %v", err)
		}
		if got := to.ids(account); !slices.Equal(got, []string{"new"}) {
			t.Errorf("published %v", got)
		}
	})
}

// TestFirstRelayWaitsForAForgottenOne: Redis was flushed, and the relay that was at work does not know it before it asks
// again. Whoever comes next must not publish earlier than that.
func TestFirstRelayWaitsForAForgottenOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		const account = "ACC001"
		to := &sink{}
		put(t, client, account, "old")
		put(t, client, account, "older than new")
		second := newRelay(client, "second", to)
		loss := sync.OnceFunc(func() {
			forget(t, client, account)
			put(t, client, account, "new")
			mustFlush(t, second)
		})
		first := &sink{refuse: func(context.Context, event.Event) error {
			loss()
			return nil
		}}
		if err := newRelay(client, "first", first).Flush(t.Context()); !errors.Is(err, lease.ErrLost) {
			t.Errorf("the forgotten relay ended with %v", err)
		}
		if len(first.taken) != 0 || !slices.Equal(to.ids(account), []string{"new"}) {
			t.Errorf("published %v behind %v", first.ids(account), to.ids(account))
		}
	})
}
