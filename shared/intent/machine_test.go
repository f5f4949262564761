package intent_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// known is what the model remembers of one intent.
type known struct {
	fingerprint string
	token       int64
	submitted   bool
	leased      time.Duration // by the model's clock
	result      string        // "" until it is settled
	state       intent.State
}

// owner is somebody who believes to hold an intent, rightly or not.
type owner struct {
	id    string
	token int64
}

// machine drives a store and a model of it side by side. An owner that is never picked again has crashed.
type machine struct {
	t       *testing.T
	client  redis.UniversalClient
	store   *intent.Store
	advance func(time.Duration)

	now     time.Duration
	intents map[string]*known
	keys    map[string]string // idempotency key to fingerprint and client order ID
	tokens  map[string]int64  // the largest token that each client order ID ever had
	owners  []owner
	events  []string
}

func (m *machine) reserve(r *rapid.T) {
	id, key := rapid.SampledFrom([]string{"c1", "c2", "c3"}).Draw(r, "id"), rapid.SampledFrom([]string{"", "k1", "k2"}).Draw(r, "key")
	fingerprint := rapid.SampledFrom([]string{"f1", "f1", "f1", "f2"}).Draw(r, "fingerprint")
	m.pass(time.Millisecond) // no two scripts run in the same microsecond
	got, err := m.store.Reserve(m.t.Context(), request(id, key, fingerprint))
	if err != nil {
		r.Fatal(err)
	}
	want := m.expect(id, key, fingerprint)
	if got.Outcome != want {
		r.Fatalf("%s %q %s: got %s, want %s", id, key, fingerprint, got.Outcome, want)
	}
	if want != intent.Mismatch && key != "" {
		m.keys[key] = fingerprint + id
	}
	switch want {
	case intent.New:
		m.intents[id] = &known{fingerprint: fingerprint}
		m.own(r, id, got.Token)
	case intent.Resume:
		if submitted := got.State == intent.Submitted; submitted != m.intents[id].submitted {
			r.Fatalf("%s: state %s", id, got.State)
		}
		m.own(r, id, got.Token)
	case intent.Replay:
		if string(got.Result) != m.intents[id].result || got.State != m.intents[id].state {
			r.Fatalf("%s: replay of %s %s, want %+v", id, got.State, got.Result, m.intents[id])
		}
	}
}

func (m *machine) expect(id, key, fingerprint string) intent.Outcome {
	if used, ok := m.keys[key]; key != "" && ok && used != fingerprint+id {
		return intent.Mismatch
	}
	i, ok := m.intents[id]
	switch {
	case !ok:
		return intent.New
	case i.fingerprint != fingerprint:
		return intent.Mismatch
	case i.result != "":
		return intent.Replay
	case i.leased > m.now:
		return intent.InProgress
	}
	return intent.Resume
}

func (m *machine) own(r *rapid.T, id string, token int64) {
	if token <= m.tokens[id] {
		r.Fatalf("%s: token %d after %d", id, token, m.tokens[id])
	}
	m.tokens[id] = token
	m.intents[id].token, m.intents[id].leased = token, m.now+long
	m.owners = append(m.owners, owner{id, token})
}

// pick returns an owner, also one of long ago, and its intent if it has it still.
func (m *machine) pick(r *rapid.T) (owner, *known) {
	if len(m.owners) == 0 {
		r.Skip("nobody owns anything")
	}
	o := rapid.SampledFrom(m.owners).Draw(r, "owner")
	if i := m.intents[o.id]; i != nil && i.token == o.token {
		return o, i
	}
	return o, nil
}

func (m *machine) check(r *rapid.T, err error, holds bool) {
	if holds && err != nil || !holds && !errors.Is(err, intent.ErrTakenOver) {
		r.Fatalf("holds %t: %v", holds, err)
	}
}

func (m *machine) settle(r *rapid.T) {
	o, i := m.pick(r)
	settled := settlement(o.id, o.token)
	settled.State = rapid.SampledFrom([]intent.State{intent.Acknowledged, intent.Rejected}).Draw(r, "state")
	settled.Result = []byte(settled.State)
	settled.EventID = o.id + ":" + string(settled.State)
	settled.Event = []byte(settled.EventID)
	m.check(r, m.store.Settle(m.t.Context(), settled), i != nil)
	if i != nil && i.result == "" {
		i.result, i.state = string(settled.Result), settled.State
		m.events = append(m.events, settled.EventID)
	}
}

func (m *machine) yield(r *rapid.T) {
	o, i := m.pick(r)
	m.check(r, m.store.Yield(m.t.Context(), named(o.id), o.token), i != nil)
	if i != nil && i.result == "" {
		i.submitted, i.leased = true, 0
	}
}

func (m *machine) forget(r *rapid.T) {
	o, i := m.pick(r)
	m.check(r, m.store.Forget(m.t.Context(), named(o.id), o.token), i != nil)
	if i != nil && i.result == "" {
		delete(m.intents, o.id)
	}
}

// pause lets time pass; by enough, every lease runs out.
func (m *machine) pause(r *rapid.T) {
	m.pass(rapid.SampledFrom([]time.Duration{time.Millisecond, long / 2, long}).Draw(r, "pause"))
}

func (m *machine) pass(d time.Duration) {
	m.advance(d)
	m.now += d
}

// invariant: the sweeper sees exactly what no owner holds, and the outbox holds one event for each settled intent.
func (m *machine) invariant(r *rapid.T) {
	want := 0
	for _, i := range m.intents {
		if i.result == "" && i.leased <= m.now {
			want++
		}
	}
	found, err := m.store.Abandoned(m.t.Context(), 33, 0, 100) // ACC001's shard
	if err != nil || len(found) != want {
		r.Fatalf("%d abandoned, %v; want %d", len(found), err, want)
	}
	var published []string
	for _, entry := range events(m.t, m.client) {
		published = append(published, entry.Values["event"].(string))
	}
	if got, want := strings.Join(published, " "), strings.Join(m.events, " "); got != want {
		r.Fatalf("outbox %q, want %q", got, want)
	}
}

func TestAgainstModel(t *testing.T) {
	client, advance := storetest.Embedded(t)
	rapid.Check(t, func(r *rapid.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			r.Fatal(err)
		}
		m := &machine{
			t: t, client: client, store: newStore(client, long), advance: advance,
			intents: map[string]*known{}, keys: map[string]string{}, tokens: map[string]int64{},
		}
		advance(time.Millisecond)
		r.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve, "settle": m.settle, "yield": m.yield, "forget": m.forget, "pause": m.pause, "": m.invariant,
		})
	})
}
