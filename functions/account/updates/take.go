package updates

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
)

// heard are trade events by ID, with their times.
type heard map[string]time.Time

// maxKnown is how many are kept before those that no stream can repeat are dropped.
const maxKnown = 512

// add remembers an event. last is the time of the newest.
func (k heard) add(trade *alpaca.TradeEvent, last time.Time) {
	if trade.EventID == "" {
		return
	}
	k[trade.EventID] = trade.At
	if len(k) <= maxKnown {
		return
	}
	for id, at := range k {
		if at.Before(last.Add(-2 * overlap)) {
			delete(k, id)
		}
	}
}

// take writes one trade event down and reports whether it was new.
func (f *follower) take(ctx context.Context, trade *alpaca.TradeEvent) (bool, error) {
	if _, repeated := f.known[trade.EventID]; repeated { // every new stream begins early
		return false, nil
	}
	entries, err := translate(f.accountID, trade, f.platform.Clock.Now())
	if err != nil { // the cursor passes it, or it would keep what comes after it from being heard
		f.metrics.failed(failureMalformed)
		f.logger.Error("trade event not understood", zap.String("event", trade.Event),
			zap.String("alpaca_event_id", trade.EventID), zap.String("order_id", trade.Order.ID), zap.Error(err))
		entries = nil
	}
	news, err := f.record(ctx, trade.EventID, entries, endedBy(trade))
	if err != nil {
		return false, err
	}
	f.cursor = max(f.cursor, cursorOf(trade.EventID))
	f.release(ctx, trade)
	if trade.At.After(f.last) {
		f.last = trade.At
	}
	f.known.add(trade, f.last)
	if !news {
		return false, nil
	}
	f.platform.Relay.Notify(f.accountID)
	f.metrics.took(trade.Event)
	f.logger.Info("trade update", zap.String("event", trade.Event), zap.String("order_id", trade.Order.ID),
		zap.String("client_order_id", trade.Order.ClientOrderID), zap.String("alpaca_event_id", trade.EventID))
	return true, nil
}

// release lets go of an order that trade ended under the ceilings over all accounts, if there are any. When it can't be done
// now, the next comparison with Alpaca does it.
func (f *follower) release(ctx context.Context, trade *alpaca.TradeEvent) {
	done := endedBy(trade)
	if done.clientOrderID == "" || !f.platform.Controls.Ceilings().Any() {
		return
	}
	order := ceiling.Order{AccountID: f.accountID, ClientOrderID: done.clientOrderID}
	if err := f.book.Release(ctx, order, false); err != nil {
		f.logger.Info("ended order counts until the next comparison with Alpaca", zap.String("client_order_id", done.clientOrderID), zap.Error(err))
	}
}

// record tries until Redis takes the event or the lease is lost. Giving the stream up for each lost command, hundreds of
// accounts would read their last minutes anew at the very time when Redis is slow.
func (f *follower) record(ctx context.Context, eventID string, entries []entry, done ended) (bool, error) {
	for attempt := 1; ; attempt++ {
		news, err := f.journal.record(ctx, f.held, f.accountID, f.cursor, eventID, entries, done)
		if err == nil || ctx.Err() != nil || errors.Is(err, errFenced) || errors.Is(err, errForgotten) {
			return news, err
		}
		f.metrics.failed(failureRedis)
		if attempt%sayEvery == 1 {
			f.logger.Warn("trade update waits for Redis", zap.Int("attempt", attempt), zap.Error(err))
		}
		f.wait(ctx, backoff(min(attempt, maxRecordBackoff)))
	}
}

// maxRecordBackoff bounds the wait for Redis at 1.6 s.
const maxRecordBackoff = 5
