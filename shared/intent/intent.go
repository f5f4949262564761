// Package intent makes orders idempotent: before an order goes upstream it is written down as an intent, and every
// repeat of it finds the intent instead of a second order.
//
// An intent goes reserved → acknowledged | rejected, or reserved → submitted (outcome unknown) → acknowledged |
// rejected. Its owner holds it for a lease; after that whoever repeats the request, or the sweeper, takes it over with
// a larger token and asks Alpaca what became of it before anything is sent again.
package intent

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

//go:embed reserve.lua
var reserveLua string

//go:embed settle.lua
var settleLua string

//go:embed yield.lua
var yieldLua string

//go:embed forget.lua
var forgetLua string

//go:embed hold.lua
var holdLua string

// ErrTakenOver means that the lease ran out and another owner settles the intent.
var ErrTakenOver = errors.New("intent was taken over")

// ErrCancel means that the intent is settled, and that a kill switch wants the account's open orders canceled: this one
// may have reached Alpaca after those that were open were canceled.
var ErrCancel = errors.New("a kill switch wants the order canceled")

// ErrKilled means that a kill switch forbids to send the order.
var ErrKilled = errors.New("a kill switch forbids the order")

// State is where an intent is in its life.
type State string

// The states.
const (
	Reserved     State = "reserved"     // written down, perhaps sent
	Submitted    State = "submitted"    // sent, outcome unknown
	Acknowledged State = "acknowledged" // Alpaca took the order
	Rejected     State = "rejected"     // Alpaca refused the order
)

// Outcome is what Reserve found.
type Outcome string

// The outcomes.
const (
	// New: the intent is reserved; submit it.
	New Outcome = "reserved"
	// Resume: an owner left the intent behind; look it up upstream, and submit only if it is not there.
	Resume Outcome = "resume"
	// Replay: it is settled; Result is the answer.
	Replay Outcome = "replay"
	// InProgress: its owner is at work; RetryAfter says until when at most.
	InProgress Outcome = "in_progress"
	// Mismatch: the same key or client order ID with another body.
	Mismatch Outcome = "mismatch"
	// OrderLimit and UpstreamLimit: the account's order bucket, or what Alpaca allows it, is empty.
	OrderLimit    Outcome = "order_limit"
	UpstreamLimit Outcome = "upstream_limit"
	// Killed: a kill switch forbids new orders.
	Killed Outcome = "killed"
)

const (
	defaultLease = 15 * time.Second
	defaultLife  = 48 * time.Hour
	// defaultReplicaTimeout is what a replica in the same region needs a hundred times over.
	defaultReplicaTimeout = 100 * time.Millisecond
	// seenLife is how long the outbox recognises a repeat of an event.
	seenLife = 48 * time.Hour
	// reserveArguments is how many reserve.lua has before those of the legs.
	reserveArguments = 22
	// OutboxBound is the most events a shard's outbox holds, should the broker be away for long.
	OutboxBound = 100_000
)

// Limits are what an account may do: by its own order limit, and by what Alpaca allows it.
type Limits struct {
	Orders   bucket.Rate
	Upstream bucket.Allowance
}

// Config are the limits of the order path; Limits and Window are required.
type Config struct {
	// Limits returns what the account may do. It is called for every order.
	Limits func(accountID string) Limits
	// Window is the span of what Alpaca allows: bucket.Upstream's.
	Window time.Duration
	// Lease is how long an owner has the intent without a Hold; 0 is 15 s, longer than any upstream call.
	Lease time.Duration
	// Replicas is how many replicas of Redis must have an intent before it may be acted on; 0 does not wait for any.
	// ReplicaTimeout is how long they have for it, 0 is 100 ms.
	Replicas       int
	ReplicaTimeout time.Duration
	// Life is how long an intent is remembered; 0 is 48 h.
	Life time.Duration
}

// Redis is what a Store needs of a client.
type Redis interface {
	redis.Scripter
	store.Timer
	store.Pipeliner
	HMGet(ctx context.Context, key string, fields ...string) *redis.SliceCmd
	ZRangeArgs(ctx context.Context, z redis.ZRangeArgs) *redis.StringSliceCmd
	ZRem(ctx context.Context, key string, members ...any) *redis.IntCmd
}

// Store keeps the intents in Redis. Safe for concurrent use.
type Store struct {
	client              Redis
	config              Config
	reserve, settle     *redis.Script
	yield, forget, hold *redis.Script
}

// NewStore returns a store on client.
func NewStore(client Redis, config Config) *Store {
	if config.Lease == 0 {
		config.Lease = defaultLease
	}
	if config.ReplicaTimeout == 0 {
		config.ReplicaTimeout = defaultReplicaTimeout
	}
	if config.Life == 0 {
		config.Life = defaultLife
	}
	return &Store{
		client: client, config: config,
		reserve: store.NewScript(reserveLua), settle: store.NewScript(settleLua), yield: store.NewScript(yieldLua),
		forget: store.NewScript(forgetLua), hold: store.NewScript(holdLua),
	}
}

// ID names an intent.
type ID struct{ AccountID, ClientOrderID string }

func (id ID) key() string { return store.IntentKey(id.AccountID, id.ClientOrderID) }

// member is the intent's name in its shard's set of unsettled ones. Neither part can hold a line break.
func (id ID) member() string { return id.AccountID + "\n" + id.ClientOrderID }

// Request is what Reserve writes down.
type Request struct {
	ID
	// IdempotencyKey is the caller's key, or empty.
	IdempotencyKey string
	// Fingerprint identifies the body.
	Fingerprint string
	// Body is what goes upstream, or what it takes to recognise it there.
	Body []byte
	// Exit marks a way out of a position: it takes nothing from the account's order bucket, may use what is kept for
	// cancels, and a kill switch may let it pass.
	Exit bool
	// Symbol is the position's that risk controls look at; Hold what the order may do to the account, as risk.Hold
	// encodes it, or empty.
	Symbol, Hold string
	// Legs are the same for each leg of a multi-leg order, at most four.
	Legs []Leg
	// Content identifies what repeats an order; those within Repeats count, 0 counts none.
	Content string
	Repeats time.Duration
}

// Leg is a leg of a multi-leg order, as risk controls look at it: its symbol, and what it may do to the position in it as
// risk.Hold encodes it.
type Leg struct{ Symbol, Hold string }

// Reservation is the answer of Reserve.
type Reservation struct {
	Outcome Outcome
	// Token proves ownership to Settle and Yield.
	Token int64
	State State
	// Result is the stored answer of a settled intent.
	Result []byte
	// Orders is the state of the account's order bucket.
	Orders bucket.Grant
	// RetryAfter is how long to wait for InProgress and the limits.
	RetryAfter time.Duration
	// Upstream is the request at Alpaca that was taken for a new intent.
	Upstream alpaca.Spent
	// Risk is what is known of the account, this order left out; of a new intent only.
	Risk risk.State
	// Killed is the record of the kill switch, for Killed.
	Killed string
}

// Reserve takes from both buckets and writes the intent down, or reports what stands in the way; one round trip. It
// returns ErrNotReplicated when too few replicas have the intent: nothing may be sent then.
func (s *Store) Reserve(ctx context.Context, r Request) (Reservation, error) {
	return s.find(ctx, r, 0)
}

// Peek reports what Reserve would, and changes nothing: New has no token then.
func (s *Store) Peek(ctx context.Context, r Request) (Reservation, error) {
	return s.find(ctx, r, 1)
}

func (s *Store) find(ctx context.Context, r Request, dry int) (Reservation, error) {
	key := r.key()
	alias, repeats, hasKey := key, key, 0 // what is not asked for is not looked at
	if r.IdempotencyKey != "" {
		alias, hasKey = store.IdempotencyKey(r.AccountID, r.IdempotencyKey), 1
	}
	limits := s.config.Limits(r.AccountID)
	orders, reserve := 1, limits.Upstream.Reserve
	if r.Exit {
		orders, reserve = 0, 0
	}
	if r.Repeats > 0 {
		repeats = store.RepeatsKey(r.AccountID, r.Content)
	}
	shard := store.Shard(r.AccountID)
	keys := []string{
		key, alias, store.BucketKey(r.AccountID, "orders"),
		store.UpstreamTakenKey(r.AccountID, alpaca.APITrading), store.UpstreamSaidKey(r.AccountID, alpaca.APITrading),
		store.UnsettledKey(shard), store.ActiveAccountsKey(shard), store.KillSwitchKey(shard),
		store.RiskSnapshotKey(r.AccountID), store.RiskPositionsKey(r.AccountID), store.HoldsKey(r.AccountID),
		repeats, store.HoldSumsKey(r.AccountID),
	}
	args := append(make([]any, 0, reserveArguments+2*len(r.Legs)),
		r.Fingerprint, r.ClientOrderID, hasKey, s.config.Lease.Milliseconds(), s.config.Life.Milliseconds(),
		limits.Orders.Limit, limits.Orders.Period.Microseconds(),
		limits.Upstream.Limit, limits.Upstream.Cap, s.config.Window.Microseconds(), reserve,
		r.Body, r.AccountID, r.member(), store.ActiveAccountsChannel(), orders, r.IdempotencyKey, rand.Text(), dry,
		r.Symbol, r.Hold, r.Repeats.Microseconds())
	for _, leg := range r.Legs {
		args = append(args, leg.Symbol, leg.Hold)
	}
	reserved, replicas := s.write(ctx, s.reserve, keys, args...)
	values, err := reserved.Slice()
	if err != nil {
		return Reservation{}, fmt.Errorf("reserve intent %s: %w", r.ClientOrderID, err)
	}
	reservation := reservationOf(values)
	if dry == 0 && replicas < s.config.Replicas {
		return Reservation{}, s.unreplicated(ctx, r.ID, reservation, replicas)
	}
	return reservation, nil
}

// reservationOf reads what reserve.lua returns.
func reservationOf(values []any) Reservation {
	text := func(i int) string { s, _ := values[i].(string); return s }
	number := func(i int) int64 {
		if i >= len(values) { // the last ones are a new intent's
			return 0
		}
		n, _ := values[i].(int64)
		return n
	}
	grant := bucket.GrantOf([]int64{number(4), number(5), number(6), number(7)})
	var state risk.State
	if len(values) > 10 {
		state = risk.ParseState(text(10))
		for i := 11; i < len(values); i++ {
			state.Legs = append(state.Legs, risk.ParseState(text(i)))
		}
	}
	r := Reservation{
		Outcome: Outcome(text(0)), Token: number(1), State: State(text(2)), Result: []byte(text(3)),
		Orders: grant, RetryAfter: grant.RetryAfter,
		Upstream: alpaca.Spent{Remaining: int(number(8)), Limit: int(number(9)), At: number(1)},
		Risk:     state,
	}
	if r.Outcome == Killed {
		r.Killed, r.Result = text(3), nil
	}
	return r
}

// Settlement is how an intent ends.
type Settlement struct {
	ID
	Token int64
	// State is Acknowledged or Rejected.
	State State
	// Result is the answer that repeats will get.
	Result []byte
	// EventID and Event (a CloudEvent in JSON) go to the outbox; both empty for none. An event with an ID that is
	// there already is not appended again.
	EventID string
	Event   []byte
	// SecondID and Second are one more event, or empty.
	SecondID string
	Second   []byte
	// Hold is what the order may do to the account, now that its price is known; empty keeps what Reserve wrote.
	Hold string
	// Exit marks a way out of a position, which a kill switch may let pass.
	Exit bool
}

// Settle ends the intent and appends its event, both or neither. A settled intent stays as it is. It returns
// ErrTakenOver when the token is stale, and ErrCancel when all is done and a kill switch wants the order canceled.
func (s *Store) Settle(ctx context.Context, t Settlement) error {
	shard := store.Shard(t.AccountID)
	keys := []string{
		t.key(), store.UnsettledKey(shard), store.OutboxKey(shard), store.SequenceKey(t.AccountID),
		store.SeenKey(t.AccountID, t.EventID), store.GenerationKey(t.AccountID),
		store.SnapshotKey(t.AccountID, "account"), store.SnapshotKey(t.AccountID, "positions"),
		store.KillSwitchKey(shard), store.HoldsKey(t.AccountID), store.SeenKey(t.AccountID, t.SecondID),
		store.HoldSumsKey(t.AccountID),
	}
	return s.guarded(ctx, "settle", ErrCancel, s.settle, keys, t.Token, string(t.State), t.Result, t.member(), t.AccountID, t.Event,
		seenLife.Milliseconds(), OutboxBound, t.ClientOrderID, t.Hold, t.Second, t.Exit, s.config.Life.Milliseconds())
}

// Yield gives an intent with an unknown outcome to whoever comes next; a settled one stays settled. It returns
// ErrTakenOver when somebody has it.
func (s *Store) Yield(ctx context.Context, id ID, token int64) error {
	keys := []string{id.key(), store.UnsettledKey(store.Shard(id.AccountID))}
	return s.guarded(ctx, "yield", nil, s.yield, keys, token, id.member())
}

// Forget removes an intent whose order certainly did not reach Alpaca, so that a repeat starts anew; a
// settled one stays. It returns ErrTakenOver when the token is stale.
func (s *Store) Forget(ctx context.Context, id ID, token int64) error {
	keys := []string{id.key(), store.UnsettledKey(store.Shard(id.AccountID)), id.key(), store.HoldsKey(id.AccountID), store.HoldSumsKey(id.AccountID)}
	return s.guarded(ctx, "forget", nil, s.forget, keys, token, id.member(), "", id.ClientOrderID)
}

// Disown forgets an intent together with its Idempotency-Key: Alpaca has another order under the client order ID, so
// that the key is another request's, which must find nothing of this one. It returns ErrTakenOver like Forget.
func (s *Store) Disown(ctx context.Context, r Request, token int64) error {
	keys := []string{r.key(), store.UnsettledKey(store.Shard(r.AccountID)), r.key(), store.HoldsKey(r.AccountID), store.HoldSumsKey(r.AccountID)}
	alias := ""
	if r.IdempotencyKey != "" {
		keys[2], alias = store.IdempotencyKey(r.AccountID, r.IdempotencyKey), r.Fingerprint+"|"+r.ClientOrderID
	}
	return s.guarded(ctx, "disown", nil, s.forget, keys, token, r.member(), alias, r.ClientOrderID)
}

// Hold prolongs the owner's lease to the whole of it from now, before each further step of an order that takes long.
// It returns ErrTakenOver when somebody else has the intent, and ErrKilled when a kill switch
// forbids to send it by now; exit marks a way out of a position, which the switch may let pass.
//
// hold is what the order may do to the account where Reserve could not know it yet, empty otherwise.
func (s *Store) Hold(ctx context.Context, id ID, token int64, exit bool, hold string) error {
	shard := store.Shard(id.AccountID)
	keys := []string{id.key(), store.UnsettledKey(shard), store.KillSwitchKey(shard), store.HoldsKey(id.AccountID), store.HoldSumsKey(id.AccountID)}
	return s.guarded(ctx, "hold", ErrKilled, s.hold, keys, token, id.member(), s.config.Lease.Milliseconds(), id.AccountID, exit,
		id.ClientOrderID, hold, s.config.Life.Milliseconds())
}

// guarded runs a script that answers 0 when the token is stale, 1 when it is done, and 2 for what second says.
func (s *Store) guarded(ctx context.Context, verb string, second error, script *redis.Script, keys []string, args ...any) error {
	done, err := script.Run(ctx, s.client, keys, args...).Int64()
	if err != nil {
		return fmt.Errorf("%s intent %s: %w", verb, keys[0], err)
	}
	switch done {
	case 0:
		return fmt.Errorf("%s intent %s: %w", verb, keys[0], ErrTakenOver)
	case 2:
		return fmt.Errorf("%s intent %s: %w", verb, keys[0], second)
	}
	return nil
}
