package intent_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// deed is what one of several instances did with an intent.
type deed struct {
	id, verb    string // reserve, settle, yield, forget, hold
	fingerprint string
	token       int64 // of what it believes to own
	result      string
}

// seen is what it was told.
type seen struct {
	outcome intent.Outcome
	token   int64
	result  string
	lost    bool // ErrTakenOver
}

// written is an intent as one after the other would leave it; the zero value is none.
type written struct {
	fingerprint string
	token       int64
	leased      bool
	result      string
}

// intents is the sequential meaning of the store, as long as no lease ends by itself.
func intents() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			byID := make(map[string][]porcupine.Operation)
			for _, o := range history {
				id := o.Input.(deed).id
				byID[id] = append(byID[id], o)
			}
			var parts [][]porcupine.Operation
			for _, part := range byID {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return written{} },
		Step: func(state, input, output any) (bool, any) {
			w, in, out := state.(written), input.(deed), output.(seen)
			if in.verb == "reserve" {
				return reserveStep(w, in, out)
			}
			if w.fingerprint == "" || w.token != in.token {
				return out.lost, w
			}
			if w.result == "" { // a settled one stays as it is
				switch in.verb {
				case "settle":
					w.result = in.result
				case "yield":
					w.leased = false
				case "hold":
					w.leased = true
				case "forget":
					w = written{}
				}
			}
			return !out.lost, w
		},
	}
}

func reserveStep(w written, in deed, out seen) (bool, any) {
	switch {
	case w.fingerprint == "":
		return out.outcome == intent.New && out.token > 0, written{fingerprint: in.fingerprint, token: out.token, leased: true}
	case w.fingerprint != in.fingerprint:
		return out.outcome == intent.Mismatch, w
	case w.result != "":
		return out.outcome == intent.Replay && out.result == w.result, w
	case w.leased:
		return out.outcome == intent.InProgress, w
	}
	newer := out.token > w.token
	w.token, w.leased = out.token, true
	return out.outcome == intent.Resume && newer, w
}

// TestIntentsAreLinearizable: what several instances do at once with the same intents, also with tokens that are not good any
// more, looks as if they had done it one after the other: one owner at a time, one result, which never changes.
func TestIntentsAreLinearizable(t *testing.T) {
	const instances, steps = 6, 40
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		var (
			wait    sync.WaitGroup
			mu      sync.Mutex
			history []porcupine.Operation
			began   = time.Now()
		)
		for instance := range instances {
			s := newStore(client, time.Hour)
			wait.Go(func() {
				random := rand.New(rand.NewPCG(11, uint64(instance)))
				tokens := make(map[string][]int64)
				for step := range steps {
					in := deed{id: fmt.Sprintf("c%d", random.IntN(4)), verb: "reserve", fingerprint: "f", result: fmt.Sprintf("%d-%d", instance, step)}
					if owned := tokens[in.id]; len(owned) > 0 && random.IntN(3) > 0 {
						in.verb = []string{"settle", "yield", "yield", "forget", "forget", "hold"}[random.IntN(6)]
						in.token = owned[max(0, len(owned)-1-random.IntN(3))] // the last one, or one of before
					} else if random.IntN(8) == 0 {
						in.fingerprint = "other"
					}
					call := time.Since(began)
					out, err := act(t, s, in)
					done := time.Since(began)
					if err != nil {
						t.Error(err)
						return
					}
					if out.token > 0 && (out.outcome == intent.New || out.outcome == intent.Resume) {
						tokens[in.id] = append(tokens[in.id], out.token)
					}
					mu.Lock()
					history = append(history, porcupine.Operation{ClientId: instance, Input: in, Call: int64(call), Output: out, Return: int64(done)})
					mu.Unlock()
				}
			})
		}
		wait.Wait()
		if result := porcupine.CheckOperationsTimeout(intents(), history, time.Minute); result != porcupine.Ok {
			t.Fatalf("%d operations: %s", len(history), result)
		}
		outcomes := make(map[intent.Outcome]int)
		for _, o := range history {
			outcomes[o.Output.(seen).outcome]++
		}
		for _, wanted := range []intent.Outcome{intent.New, intent.Resume, intent.Replay, intent.InProgress, intent.Mismatch} {
			if outcomes[wanted] == 0 {
				t.Logf("%s never happened", wanted)
			}
		}
		t.Logf("%v", outcomes)
	})
}

// act does it and tells what came of it.
func act(t *testing.T, s *intent.Store, in deed) (seen, error) {
	var err error
	switch in.verb {
	case "reserve":
		got, err := s.Reserve(t.Context(), request(in.id, "", in.fingerprint))
		return seen{outcome: got.Outcome, token: got.Token, result: string(got.Result)}, err
	case "settle":
		settled := settlement(in.id, in.token)
		settled.Result = []byte(in.result)
		err = s.Settle(t.Context(), settled)
	case "yield":
		err = s.Yield(t.Context(), named(in.id), in.token)
	case "forget":
		err = s.Forget(t.Context(), named(in.id), in.token)
	case "hold":
		err = s.Hold(t.Context(), named(in.id), in.token, false, "")
	}
	if errors.Is(err, intent.ErrTakenOver) {
		return seen{lost: true}, nil
	}
	return seen{}, err
}
