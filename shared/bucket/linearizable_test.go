package bucket_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// step is what one client did, and saw.
type step struct {
	verb          string // take, lease, refund
	cost, reserve int
	granted, left int
}

// counter is a budget that does not refill: the sequential meaning of a bucket or window in a test that is shorter than
// its period.
func counter(limit int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return limit },
		Step: func(state, input, output any) (bool, any) {
			left, in, out := state.(int), input.(step), output.(step)
			free := left - in.reserve
			switch in.verb {
			case "refund":
				return true, left + in.cost
			case "lease":
				want := max(0, min(in.cost, free))
				return out.granted == want && out.left == max(0, free-want), left - want
			default:
				want := 0
				if free >= in.cost {
					want = in.cost
				}
				return out.granted == want && (want == 0 || out.left == free-want), left - want
			}
		},
	}
}

// record runs clients at once, each with its own connection, and returns what they did and when.
func record(t *testing.T, clients, steps int, open func(client int) func(*rand.Rand) (in, out step)) []porcupine.Operation {
	t.Helper()
	var (
		wait    sync.WaitGroup
		mu      sync.Mutex
		history []porcupine.Operation
		began   = time.Now()
	)
	for client := range clients {
		act := open(client)
		wait.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(client)))
			for range steps {
				call := time.Since(began)
				in, out := act(random)
				done := time.Since(began)
				mu.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: in, Call: int64(call), Output: out, Return: int64(done)})
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return history
}

func mustBeLinearizable(t *testing.T, limit int, history []porcupine.Operation) {
	t.Helper()
	if result := porcupine.CheckOperationsTimeout(counter(limit), history, time.Minute); result != porcupine.Ok {
		t.Fatalf("%d operations: %s", len(history), result)
	}
}

// TestBucketIsLinearizable: takes, leases and refunds of concurrent clients look as if they happened one after the other.
func TestBucketIsLinearizable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		const limit = 40
		rate := bucket.Rate{Limit: limit, Period: 1000 * time.Hour}
		b := bucket.New(client)
		history := record(t, 6, 25, func(int) func(*rand.Rand) (step, step) {
			owned := 0 // nobody gives back what is not theirs
			return func(random *rand.Rand) (in, out step) {
				in = step{verb: "take", cost: 1 + random.IntN(3), reserve: 5 * random.IntN(2)}
				var grant bucket.Grant
				var err error
				switch {
				case owned > 0 && random.IntN(3) == 0:
					in = step{verb: "refund", cost: 1 + random.IntN(owned)}
					owned -= in.cost
					err = b.Refund(t.Context(), "bucket:{a}", rate, in.cost)
				case random.IntN(2) == 0:
					in.verb, in.reserve = "lease", 0
					grant, err = b.Lease(t.Context(), "bucket:{a}", rate, in.cost)
				default:
					grant, err = b.Take(t.Context(), "bucket:{a}", rate, in.cost, in.reserve)
				}
				if err != nil {
					t.Error(err)
				}
				owned += grant.Granted
				return in, step{granted: grant.Granted, left: grant.Remaining}
			}
		})
		mustBeLinearizable(t, limit, history)
	})
}

// TestUpstreamIsLinearizable: so do takes of every priority and refunds from what Alpaca allows, by several instances.
func TestUpstreamIsLinearizable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		const limit, kept = 30, 5
		history := record(t, 6, 20, func(int) func(*rand.Rand) (step, step) {
			instance := bucket.NewUpstream(client, bucket.UpstreamConfig{
				Allowance: func(string, string) bucket.Allowance { return bucket.Allowance{Limit: limit, Reserve: kept} },
				Lateness:  5 * time.Second, Patience: 10 * time.Second, Clock: clock.System{}, Logger: zap.NewNop(),
			})
			var owned []int64
			return func(random *rand.Rand) (in, out step) {
				if len(owned) > 0 && random.IntN(4) == 0 {
					at := owned[len(owned)-1]
					owned = owned[:len(owned)-1]
					if err := instance.Refund(t.Context(), "ACC001", alpaca.APITrading, at); err != nil {
						t.Error(err)
					}
					return step{verb: "refund", cost: 1}, step{}
				}
				priority := alpaca.PriorityRead + alpaca.Priority(random.IntN(3))
				in = step{verb: "take", cost: 1, reserve: map[alpaca.Priority]int{alpaca.PriorityRead: 2 * kept, alpaca.PriorityOrder: kept}[priority]}
				spent, err := instance.Take(t.Context(), spending(priority))
				if err != nil && !errors.Is(err, alpaca.ErrRateLimited) {
					t.Error(err)
				}
				if err == nil {
					owned = append(owned, spent.At)
					out = step{granted: 1, left: spent.Remaining - in.reserve}
				}
				return in, out
			}
		})
		mustBeLinearizable(t, limit, history)
	})
}
