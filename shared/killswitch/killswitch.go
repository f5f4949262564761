// Package killswitch stops all new orders of an account, or of all accounts, on every instance. The switches live in
// Redis beside the intents, so that the script which reserves an order checks them; every instance keeps a copy, which
// outlives a Redis that lost its data and gives them back to it.
package killswitch

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

//go:embed set.lua
var setLua string

// All is the scope of the switch that stops every account.
const All = "*"

const (
	eventSource = "/opitios/kill-switch"
	seenLife    = 48 * time.Hour
)

// errRecord: a record in Redis is not one.
var errRecord = errors.New("malformed kill switch")

// State is a kill switch. The zero value is one that was never used.
type State struct {
	Engaged bool `json:"engaged"`
	// CancelOrders says that what is open is canceled too, an order that was on its way when it was tripped included.
	CancelOrders bool `json:"cancel_orders"`
	// AllowCloses says that positions may still be closed, by the calls that close them and nothing else.
	AllowCloses bool   `json:"allow_closes"`
	Reason      string `json:"reason"`
	// By is the subject of the token that set it.
	By string    `json:"by"`
	At time.Time `json:"at"`

	version int64 // microseconds of Redis's clock
	record  string
}

// Redis is what the switches need of a client.
type Redis interface {
	redis.Scripter
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

// Store sets and reads switches. Safe for concurrent use.
type Store struct {
	client Redis
	script *redis.Script
}

// NewStore returns the switches in the Redis of client.
func NewStore(client Redis) *Store {
	return &Store{client: client, script: store.NewScript(setLua)}
}

// UnsetError says in which shards a switch could not be set; in all others it holds.
type UnsetError struct {
	// Shards has why, by shard. Never empty.
	Shards map[int]error
}

// Error names the scope and the shards, each with its cause.
func (e *UnsetError) Error() string { return errors.Join(e.Unwrap()...).Error() }

// Unwrap returns the causes in the order of their shards.
func (e *UnsetError) Unwrap() []error {
	causes := make([]error, 0, len(e.Shards))
	for _, shard := range slices.Sorted(maps.Keys(e.Shards)) {
		causes = append(causes, e.Shards[shard])
	}
	return causes
}

// Set engages or releases the switch of an account, or of All, and appends the event of a trip to the outbox. A shard that
// can't be written keeps no other from being set: an *UnsetError tells which. Set it again then, that changes nothing
// where it holds.
func (s *Store) Set(ctx context.Context, scope string, state State) error {
	what, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("kill switch %s: %w", scope, err)
	}
	first := store.Shard("")
	if scope != All {
		first = store.Shard(scope)
	}
	told, id, err := s.event(scope, state)
	if err != nil {
		return err
	}
	shards := shardsOf(scope, first)
	failures := make([]error, len(shards))
	var group sync.WaitGroup
	for i, shard := range shards { // side by side: a node that is away takes seconds to say so for each of its shards
		group.Go(func() {
			var own []byte
			if shard == first { // one event is enough
				own = told
			}
			failures[i] = s.set(ctx, shard, scope, head(state), string(what), "0", id, own)
		})
	}
	group.Wait()
	unset := make(map[int]error)
	for i, shard := range shards {
		if failures[i] != nil {
			unset[shard] = failures[i]
		}
	}
	if len(unset) > 0 {
		return &UnsetError{Shards: unset}
	}
	return nil
}

// set writes one record, with a version that is none or that of a record that Redis lost.
func (s *Store) set(ctx context.Context, shard int, scope, head, what, version, eventID string, told []byte) error {
	account := scope
	if scope == All {
		account = ""
	}
	own := store.KillSwitchKey(shard)
	keys := []string{own, own, own, own} // without an event the others are not used
	if told != nil {
		keys = []string{own, store.OutboxKey(shard), store.SequenceKey(account), store.SeenKey(account, eventID)}
	}
	err := s.script.Run(ctx, s.client, keys, scope, head, version, what, account, told, seenLife.Milliseconds(), intent.OutboxBound).Err()
	if err != nil {
		return fmt.Errorf("kill switch %s of shard %d: %w", scope, shard, err)
	}
	return nil
}

// event tells of a trip; a release has none.
func (s *Store) event(scope string, state State) ([]byte, string, error) {
	if !state.Engaged {
		return nil, "", nil
	}
	account := scope
	if scope == All {
		account = ""
	}
	id := "kill-switch:" + scope + ":" + state.At.UTC().Format(time.RFC3339Nano)
	made, err := event.New(event.TypeRiskBreached, eventSource, account, event.RiskBreached{
		AccountID: account, Rule: "kill_switch", Action: "kill_switch", Message: state.Reason, OccurredAt: state.At.UTC(),
	}, event.WithID(id))
	if err != nil {
		return nil, "", err
	}
	encoded, err := json.Marshal(made)
	return encoded, id, err
}

// shardsOf are the shards that a scope's record is in, the first first.
func shardsOf(scope string, first int) []int {
	shards := []int{first}
	if scope != All {
		return shards
	}
	for shard := range store.Shards {
		if shard != first {
			shards = append(shards, shard)
		}
	}
	return shards
}

// Read returns every switch that was ever set, by shard and scope. A shard that can't be read is left out, and the
// error says why.
func (s *Store) Read(ctx context.Context) ([store.Shards]map[string]State, error) {
	var found [store.Shards]map[string]State
	replies := make([]*redis.MapStringStringCmd, store.Shards)
	_, failed := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for shard := range replies {
			replies[shard] = pipe.HGetAll(ctx, store.KillSwitchKey(shard))
		}
		return nil
	})
	for shard, reply := range replies {
		if reply == nil || reply.Err() != nil {
			continue
		}
		found[shard] = make(map[string]State, len(reply.Val()))
		for scope, record := range reply.Val() {
			state, err := Parse(record)
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			found[shard][scope] = state
		}
	}
	return found, failed
}

// head is what scripts look at (store/lua/killed.lua).
func head(state State) string {
	head := []byte("0--")
	if !state.Engaged {
		return string(head)
	}
	head[0] = '1'
	if state.CancelOrders {
		head[1] = 'c'
	}
	if state.AllowCloses {
		head[2] = 'x'
	}
	return string(head)
}

// Parse reads a record as scripts return it.
func Parse(record string) (State, error) {
	parts := strings.SplitN(record, "|", 3)
	if len(parts) != 3 || len(parts[0]) != 3 {
		return State{}, errRecord
	}
	state := State{record: record}
	if err := json.Unmarshal([]byte(parts[2]), &state); err != nil {
		return State{}, fmt.Errorf("%w: %w", errRecord, err)
	}
	var err error
	if state.version, err = strconv.ParseInt(parts[1], 10, 64); err != nil {
		return State{}, fmt.Errorf("%w: %w", errRecord, err)
	}
	return state, nil
}
