package intent_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// modelled is what an intent must be after any history of owners that work, pause and die.
type modelled struct {
	state      intent.State // empty: not there
	owner      int64
	leaseUntil time.Duration
	tokens     []int64 // all that were ever given out, of the dead too
	settled    int     // how often it was settled, each life at most once
}

// TestAnyHistoryOfCrashes drives three intents of one account at random against a model in Go: no two owners at once,
// tokens only grow, a stale owner changes nothing, and each settled intent has exactly one event.
func TestAnyHistoryOfCrashes(t *testing.T) {
	client, advance := storetest.Embedded(t)
	const leaseLife = 10 * time.Second
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		accountID, now := fmt.Sprintf("ACC-%d", run), time.Duration(0)
		s := intent.NewStore(client, intent.Config{Orders: slow(10_000), Upstream: slow(10_000), Lease: leaseLife})
		model := map[string]*modelled{"a": {}, "b": {}, "c": {}}
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		guarded := func(m *modelled, token int64, err error) bool {
			if legal := m.state != "" && token == m.owner; legal != (err == nil) || !legal && !errors.Is(err, intent.ErrTakenOver) {
				r.Fatalf("token %d of %+v: %v", token, m, err)
			}
			return err == nil
		}
		pick := func() (string, *modelled, int64) {
			n := name.Draw(r, "intent")
			if len(model[n].tokens) == 0 {
				r.Skip("nobody had it yet")
			}
			return n, model[n], rapid.SampledFrom(model[n].tokens).Draw(r, "token")
		}
		r.Repeat(map[string]func(*rapid.T){
			"reserve": func(r *rapid.T) {
				n := name.Draw(r, "intent")
				m := model[n]
				request := intent.Request{ID: intent.ID{AccountID: accountID, ClientOrderID: n}, Fingerprint: "f", Body: []byte(n)}
				got, err := s.Reserve(t.Context(), request)
				if want := m.expect(now); err != nil || got.Outcome != want {
					r.Fatalf("reserve %s %+v at %s: %s, %v, want %s", n, m, now, got.Outcome, err, want)
				}
				if got.Outcome != intent.New && got.Outcome != intent.Resume {
					return
				}
				for _, former := range m.tokens {
					if got.Token <= former {
						r.Fatalf("token %d after %d", got.Token, former)
					}
				}
				m.tokens, m.owner, m.leaseUntil = append(m.tokens, got.Token), got.Token, now+leaseLife
				if got.Outcome == intent.New {
					m.state = intent.Reserved
				}
			},
			"settle": func(*rapid.T) {
				n, m, token := pick()
				if m.state == intent.Acknowledged {
					return // its owner knows that it is done
				}
				id := intent.ID{AccountID: accountID, ClientOrderID: n}
				event := intent.Settlement{ID: id, Token: token, State: intent.Acknowledged, EventID: n, Event: []byte(n)}
				if guarded(m, token, s.Settle(t.Context(), event)) {
					m.state, m.settled = intent.Acknowledged, m.settled+1
				}
			},
			"yield": func(*rapid.T) {
				n, m, token := pick()
				if m.state == intent.Acknowledged {
					return
				}
				if guarded(m, token, s.Yield(t.Context(), intent.ID{AccountID: accountID, ClientOrderID: n}, token)) {
					m.state, m.leaseUntil = intent.Submitted, 0
				}
			},
			"forget": func(*rapid.T) {
				n, m, token := pick()
				if m.state == intent.Acknowledged {
					return
				}
				if guarded(m, token, s.Forget(t.Context(), intent.ID{AccountID: accountID, ClientOrderID: n}, token)) {
					m.state = ""
				}
			},
			"time": func(r *rapid.T) {
				d := time.Duration(rapid.IntRange(1, 15_000).Draw(r, "ms")) * time.Millisecond
				advance(d)
				now += d
			},
			"": func(r *rapid.T) {
				var published int
				for _, m := range model {
					if m.settled > 1 {
						r.Fatalf("settled %d times", m.settled)
					}
					published += m.settled
				}
				sequence, _ := client.Get(t.Context(), store.SequenceKey(accountID)).Int()
				if sequence != published {
					r.Fatalf("%d events, %d intents are settled", sequence, published)
				}
			},
		})
	})
}

func (m *modelled) expect(now time.Duration) intent.Outcome {
	switch {
	case m.state == "":
		return intent.New
	case m.state == intent.Acknowledged:
		return intent.Replay
	case m.leaseUntil > now:
		return intent.InProgress
	default:
		return intent.Resume
	}
}
