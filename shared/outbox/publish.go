package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// maxDeadLetters bounds the stream of what can't be published.
const maxDeadLetters = 100_000

// publishBatch publishes entries, each account's in order and several accounts at once, and deletes what was
// published. An account whose event the broker does not take now, or not while the shard is ours, keeps its later
// events too.
func (r *Relay) publishBatch(ctx context.Context, key string, entries []redis.XMessage, own *tenure) error {
	byAccount := make(map[string][]redis.XMessage)
	for _, entry := range entries {
		account, _ := entry.Values["account"].(string)
		byAccount[account] = append(byAccount[account], entry)
	}
	var (
		wait   sync.WaitGroup
		mu     sync.Mutex
		failed []error
		done   []string
		slots  = make(chan struct{}, accountsAtOnce)
	)
	for _, queue := range byAccount {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			published, err := r.publishInOrder(ctx, queue, own)
			mu.Lock()
			defer mu.Unlock()
			done = append(done, published...)
			if err != nil {
				failed = append(failed, err)
			}
		})
	}
	wait.Wait()
	if len(done) > 0 {
		// After a publish that took all the time there was, the entries must still go, or they are sent twice.
		if err := r.client.XDel(context.WithoutCancel(ctx), key, done...).Err(); err != nil {
			failed = append(failed, fmt.Errorf("delete published events: %w", err))
		}
	}
	return errors.Join(failed...)
}

// publishInOrder returns the IDs of the entries that are done with, and the error that ended it.
func (r *Relay) publishInOrder(ctx context.Context, entries []redis.XMessage, own *tenure) ([]string, error) {
	var done []string
	for _, entry := range entries {
		if err := own.hold(ctx); err != nil {
			return done, err
		}
		e, err := decode(entry)
		if err == nil {
			err = r.publish(ctx, e, own)
		}
		if err != nil && !errors.Is(err, event.ErrRefused) && !errors.Is(err, errEntry) {
			return done, fmt.Errorf("publish %s: %w", entry.ID, err)
		}
		if err != nil {
			if err := r.bury(ctx, entry, err); err != nil {
				return done, err
			}
		}
		done = append(done, entry.ID)
	}
	return done, nil
}

func (r *Relay) publish(ctx context.Context, e event.Event, own *tenure) error {
	ctx, cancel := context.WithDeadline(ctx, own.until())
	defer cancel()
	return r.publisher.PublishWhile(ctx, e, own.hold)
}

// bury keeps an event that the broker will never take where an operator finds it.
func (r *Relay) bury(ctx context.Context, entry redis.XMessage, cause error) error {
	r.logger.Error("outbox: event refused, moved to the dead letters", zap.String("entry", entry.ID), zap.Error(cause))
	err := r.client.XAdd(ctx, &redis.XAddArgs{
		Stream: store.DeadLettersKey(), MaxLen: maxDeadLetters, Approx: true,
		Values: map[string]any{"event": entry.Values["event"], "reason": cause.Error(), "destination": "broker"},
	}).Err()
	if err != nil {
		return fmt.Errorf("bury %s: %w", entry.ID, err)
	}
	return nil
}

// errEntry: a stream entry is not an event. Only a foreign writer can have made it.
var errEntry = errors.New("malformed outbox entry")

func decode(entry redis.XMessage) (event.Event, error) {
	text, _ := entry.Values["event"].(string)
	var e event.Event
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return event.Event{}, fmt.Errorf("%w: %w", errEntry, err)
	}
	number, _ := entry.Values["sequence"].(string)
	sequence, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return event.Event{}, fmt.Errorf("%w: sequence: %w", errEntry, err)
	}
	e.SetExtension(event.ExtensionSequence, fmt.Sprintf("%020d", sequence))
	return e, nil
}
