package cache

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

const (
	// DefaultRedisTimeout bounds what a read waits for Redis: a slow cache must not be slower than Alpaca.
	DefaultRedisTimeout = 50 * time.Millisecond
	// askAgain is how long Redis is left alone after it did not answer: reads must not line up behind it.
	askAgain = time.Second
	// maxStored is the largest document that goes into Redis, in bytes; larger ones stay in the process.
	maxStored = 256 << 10
)

// The fields that every record has.
const (
	fieldAt      = "at"      // when it was written whole, Unix milliseconds by Redis's clock: what freshness is measured by
	fieldAsOf    = "as_of"   // when it was read from Alpaca, Unix milliseconds by the reader's clock: what is shown
	fieldUnknown = "unknown" // Alpaca does not know the symbol
	fieldData    = "data"    // of a document
)

// ErrAway is wrapped when Redis did not answer, or did not a moment ago.
var ErrAway = errors.New("the shared cache does not answer")

//go:embed claim.lua
var claimLua string

//go:embed put.lua
var putLua string

//go:embed release.lua
var releaseLua string

// Shared is the second level, which all instances share in Redis. Its failures are counted and logged. Safe for
// concurrent use.
type Shared struct {
	client   store.Client
	timeout  time.Duration
	clock    clock.Clock
	logger   *zap.Logger
	failures *prometheus.CounterVec
	owner    string
	away     atomic.Int64 // Unix nanoseconds until which Redis is not asked

	claiming, putting, releasing *redis.Script
}

// NewShared returns the second level in client, which gets timeout for each round trip.
func NewShared(client store.Client, timeout time.Duration, clk clock.Clock, logger *zap.Logger, registerer prometheus.Registerer) *Shared {
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "quote_redis_failures_total", Help: "Reads from and writes to the shared quote cache that failed.",
	}, []string{"operation"})
	registerer.MustRegister(failures)
	return &Shared{
		client: client, timeout: timeout, clock: clk, logger: logger, failures: failures, owner: ulid.Make().String(),
		claiming: store.NewScript(claimLua), putting: store.NewScript(putLua), releasing: store.NewScript(releaseLua),
	}
}

// Record is a value as Redis has it.
type Record struct {
	// Fields are the value: the parts of KindLatest, or the document.
	Fields map[string]string
	// AsOf is when all of it was read from Alpaca, by the clock of whoever read it.
	AsOf time.Time
	// Age is how long ago it was written, by Redis's clock.
	Age time.Duration
}

// Unknown reports that Alpaca does not know the symbol.
func (r *Record) Unknown() bool { return r.Fields[fieldUnknown] != "" }

type claimState uint8

const (
	stateBusy claimState = iota
	stateFresh
	stateClaimed
)

// claim is what Redis said about one key.
type claim struct {
	state  claimState
	leased bool    // with stateClaimed: Redis gave the lease
	record *Record // nil without one
}

// claim looks keys up, and takes the lease on fetching those that are not fresh. One round trip. Without Redis all
// keys are the caller's to fetch.
func (s *Shared) claim(ctx context.Context, keys []Key, life []Life, lease time.Duration) []claim {
	claims := make([]claim, len(keys))
	for i := range claims {
		claims[i].state = stateClaimed
	}
	calls := make([]scriptCall, len(keys))
	for i, key := range keys {
		calls[i] = scriptCall{[]string{key.record(), key.lease()}, []any{
			life[i].Fresh.Milliseconds(), life[i].Negative.Milliseconds(), s.owner, lease.Milliseconds(),
		}}
	}
	replies, err := s.runAll(ctx, "read", s.claiming, calls)
	if err != nil {
		return claims
	}
	for i, reply := range replies {
		if decoded, err := decodeClaim(reply); err == nil {
			claims[i] = decoded
		}
	}
	return claims
}

func decodeClaim(reply *redis.Cmd) (claim, error) {
	values, err := reply.Slice()
	if err != nil || len(values) != 3 {
		return claim{}, fmt.Errorf("claim: %d values: %w", len(values), err)
	}
	var c claim
	switch values[0] {
	case "fresh":
		c.state = stateFresh
	case "claimed":
		c.state, c.leased = stateClaimed, true
	}
	age, _ := values[1].(int64)
	flat, _ := values[2].([]any)
	if age < 0 || len(flat) == 0 {
		return c, nil
	}
	if record := decodeRecord(flat, time.Duration(age)*time.Millisecond); !record.AsOf.IsZero() {
		c.record = record
	}
	return c, nil
}

func decodeRecord(flat []any, age time.Duration) *Record {
	record := &Record{Fields: make(map[string]string, len(flat)/2), Age: age}
	for i := 0; i+1 < len(flat); i += 2 {
		name, _ := flat[i].(string)
		value, _ := flat[i+1].(string)
		switch name {
		case fieldAt:
		case fieldAsOf:
			if milliseconds, err := strconv.ParseInt(value, 10, 64); err == nil {
				record.AsOf = time.UnixMilli(milliseconds)
			}
		default:
			record.Fields[name] = value
		}
	}
	return record
}

// entryWrite is one record, or a part of one, to be written.
type entryWrite struct {
	key    Key
	fields Fields
	// asOf is zero for parts that do not make the record current.
	asOf time.Time
	keep time.Duration
	// release gives the lease on fetching it back.
	release bool
}

// put writes records. One round trip.
func (s *Shared) put(ctx context.Context, writes []entryWrite) error {
	calls := make([]scriptCall, 0, len(writes))
	for _, w := range writes {
		if w.fields.size() > maxStored {
			if w.release {
				s.release(ctx, []Key{w.key})
			}
			continue
		}
		owner, asOf := "", ""
		if w.release {
			owner = s.owner
		}
		if !w.asOf.IsZero() {
			asOf = strconv.FormatInt(w.asOf.UnixMilli(), 10)
		}
		arguments := make([]any, 0, 3+3*len(w.fields))
		arguments = append(arguments, owner, w.keep.Milliseconds(), asOf)
		for _, field := range w.fields {
			arguments = append(arguments, field.Name, field.moment(), field.Value)
		}
		calls = append(calls, scriptCall{[]string{w.key.record(), w.key.lease()}, arguments})
	}
	_, err := s.runAll(ctx, "write", s.putting, calls)
	return err
}

// release gives leases back after a fetch that failed.
func (s *Shared) release(ctx context.Context, keys []Key) {
	calls := make([]scriptCall, len(keys))
	for i, key := range keys {
		calls[i] = scriptCall{[]string{key.lease()}, []any{s.owner}}
	}
	_, _ = s.runAll(ctx, "write", s.releasing, calls) // a lease that stays expires
}

type scriptCall struct {
	keys      []string
	arguments []any
}

// runAll runs a script once for each call in one round trip, or two when a server does not have it yet. It fails only
// as a whole; a single reply may hold an error of its own.
func (s *Shared) runAll(ctx context.Context, operation string, script *redis.Script, calls []scriptCall) ([]*redis.Cmd, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	if now := s.clock.Now(); now.UnixNano() < s.away.Load() {
		return nil, ErrAway
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	replies := make([]*redis.Cmd, len(calls))
	missing := make([]int, len(calls))
	for i := range missing {
		missing[i] = i
	}
	for _, run := range []func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd{script.EvalSha, script.Eval} {
		_, err := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, i := range missing {
				replies[i] = run(ctx, pipe, calls[i].keys, calls[i].arguments...)
			}
			return nil
		})
		var again []int
		for _, i := range missing {
			if redis.HasErrorPrefix(replies[i].Err(), "NOSCRIPT") {
				again = append(again, i)
			}
		}
		if missing = again; len(missing) == 0 {
			return replies, s.noteFailure(ctx, operation, replies, err)
		}
	}
	return replies, nil
}

// noteFailure counts what failed. Redis counts as away when it did not answer at all.
func (s *Shared) noteFailure(ctx context.Context, operation string, replies []*redis.Cmd, err error) error {
	if err == nil {
		return nil
	}
	s.failures.WithLabelValues(operation).Inc()
	s.logger.Debug("shared quote cache failed", zap.String("operation", operation), zap.Error(err))
	var answered redis.Error
	for _, reply := range replies {
		if reply.Err() == nil || errors.As(reply.Err(), &answered) {
			return nil
		}
	}
	if !errors.Is(ctx.Err(), context.Canceled) { // a read that was given up says nothing about Redis
		s.away.Store(s.clock.Now().Add(askAgain).UnixNano())
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}
