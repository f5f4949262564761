package intent_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// resending sends every script twice, as the client does when the first answer is lost with its connection.
type resending struct{}

func (resending) DialHook(next redis.DialHook) redis.DialHook { return next }

func (resending) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		if err := next(ctx, command); err != nil {
			return err
		}
		return next(ctx, command)
	}
}

func (resending) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// A reservation whose answer was lost is the same reservation when the client sends it again, and charged once.
func TestResentReservationIsOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s := intent.NewStore(client, wide())
		client.AddHook(resending{})
		got := mustReserve(t, s, keyed("k", "c", "buy"), intent.New)
		if got.Token == 0 || got.Orders.Remaining != 999 {
			t.Fatalf("%+v", got)
		}
		settle(t, s, order("c", "buy").ID, got.Token)
		if n := len(events(t, client)); n != 1 {
			t.Fatalf("%d events", n)
		}
	})
}
