package updates

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

//go:embed journal.lua
var journalLua string

var (
	// errFenced: another instance follows the account by now; nothing was written.
	errFenced = errors.New("trade update of an account that another instance follows")
	// errForgotten: Redis lost what was written down of the account before; nothing was written.
	errForgotten = errors.New("redis lost earlier trade updates of the account")
)

const (
	cursorLife     = 48 * time.Hour
	generationLife = 48 * time.Hour
	// seenLife outlives the cursor by more than the overlap: whatever a resumed stream repeats is recognised.
	seenLife = cursorLife + time.Hour
	// acceptedLife is how long after an order was submitted it is told that it was accepted: a little less than that is
	// recognised as told, by the shorter of two marks (shared/intent keeps its own for 48 h).
	acceptedLife = 47 * time.Hour
	// fixedKeys and fixedArguments are how many journal.lua has before those of the events.
	fixedKeys, fixedArguments = 9, 11
)

// journalRedis is what a journal needs of a client.
type journalRedis interface {
	redis.Scripter
	Get(ctx context.Context, key string) *redis.StringCmd
}

// journal writes trade updates down: events, cursor, and the end of what was cached of the account, all or nothing.
// Safe for concurrent use.
type journal struct {
	client journalRedis
	script *redis.Script
	// slots bound the writes under way: after an outage every account has minutes of events, and all the connections
	// taken by them would keep the leases from being renewed.
	slots chan struct{}
}

// writes is how many there are at a time: with acquisitions, fewer than there are connections to a Redis node.
const writes = 12

func newJournal(client journalRedis) *journal {
	return &journal{client: client, script: store.NewScript(journalLua), slots: make(chan struct{}, writes)}
}

// record reports whether the trade event brought anything new. left is the cursor as the follower left it, empty at
// first; done is the order that the event ends. A write with a stale lease is refused with errFenced, one after Redis lost the cursor with errForgotten.
func (j *journal) record(ctx context.Context, held lease.Lease, accountID, left, eventID string, entries []entry, done ended) (bool, error) {
	keys := append(make([]string, 0, fixedKeys+len(entries)),
		held.Key, store.OutboxKey(store.Shard(accountID)), store.SequenceKey(accountID), store.CursorKey(accountID),
		store.GenerationKey(accountID), store.SnapshotKey(accountID, "account"), store.SnapshotKey(accountID, "positions"),
		store.HoldsKey(accountID), store.HoldSumsKey(accountID))
	args := append(make([]any, 0, fixedArguments+len(entries)),
		held.Token, accountID, cursorOf(eventID), seenLife.Milliseconds(), intent.OutboxBound,
		generationLife.Milliseconds(), cursorLife.Milliseconds(), left,
		done.clientOrderID, done.qty, done.value)
	for _, e := range entries {
		keys, args = append(keys, store.SeenKey(accountID, e.id)), append(args, e.event)
	}
	select {
	case j.slots <- struct{}{}:
		defer func() { <-j.slots }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	news, err := j.script.Run(ctx, j.client, keys, args...).Int()
	if err != nil {
		return false, fmt.Errorf("record trade event %s: %w", eventID, err)
	}
	switch news {
	case fenced:
		return false, errFenced
	case forgotten:
		return false, errForgotten
	}
	return news == 1, nil
}

// What journal.lua returns beside 0 and 1.
const (
	fenced    = -1
	forgotten = -2
)

// cursorOf returns the ID if it can be a cursor.
func cursorOf(eventID string) string {
	if _, err := ulid.ParseStrict(eventID); err != nil {
		return ""
	}
	return eventID
}

// position returns the account's cursor, empty when there is none that can be used.
func (j *journal) position(ctx context.Context, accountID string) (string, error) {
	cursor, err := j.client.Get(ctx, store.CursorKey(accountID)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read cursor of %s: %w", accountID, err)
	}
	return cursorOf(cursor), nil // what nobody of ours wrote is none
}
