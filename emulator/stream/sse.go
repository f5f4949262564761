// Package stream serves what the emulator pushes: trade updates as server-sent events and on the trading WebSocket, and,
// by package feed, market data.
package stream

import (
	"net/http"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Timing of an event stream.
const (
	batch        = 64               // events written at a time
	writeTimeout = 30 * time.Second // a reader that takes longer is gone
)

// TradeEvents serves GET /v2/events/trades and GET /v2beta1/events/activities. It may be used concurrently.
type TradeEvents struct {
	// Heartbeat is how often a quiet stream carries a comment.
	Heartbeat time.Duration
	Now       func() time.Time
	// Counts is told of every open stream; nil: nobody is.
	Counts *socket.Counts
}

// Register adds the endpoints to mux, behind the gate.
func (s *TradeEvents) Register(mux *http.ServeMux, gate *access.Gate) {
	mux.Handle("GET /v2/events/trades", gate.ForTrading(s.serve(KindTradeEvents, (*exchange.Account).Subscribe, updateFrame)))
	mux.Handle("GET /v2beta1/events/activities",
		gate.ForTrading(s.serve(KindActivities, (*exchange.Account).SubscribeActivities, activityFrames)))
}

// framer appends an event as the frames of a stream.
type framer func(dst []byte, event *exchange.Event, accountID string) []byte

func updateFrame(dst []byte, event *exchange.Event, accountID string) []byte {
	return append(event.Append(append(dst, "data: "...), accountID), "\n\n"...)
}

func activityFrames(dst []byte, event *exchange.Event, _ string) []byte {
	for _, activity := range event.Activities() {
		dst = append(activity.AppendEvent(append(dst, "data: "...)), "\n\n"...)
	}
	return dst
}

// span is the part of an account's history that a client asks for.
type span struct {
	from    exchange.Position
	until   time.Time
	untilID ulid.ULID
}

// bounded reports whether the stream has an end.
func (s *span) bounded() bool { return !s.until.IsZero() || s.untilID != ulid.ULID{} }

// past reports whether an event lies behind the end.
func (s *span) past(event *exchange.Event) bool {
	if !s.until.IsZero() {
		return event.At.After(s.until)
	}
	return s.untilID != ulid.ULID{} && event.ID.Compare(s.untilID) > 0
}

// over reports whether no further event can lie before the end.
func (s *span) over(now time.Time) bool {
	if !s.until.IsZero() {
		return now.After(s.until)
	}
	return s.untilID != ulid.ULID{} && ulid.Timestamp(now) > s.untilID.Time()
}

// serve answers with a stream of one kind of events.
func (s *TradeEvents) serve(kind string, subscribe func(*exchange.Account, exchange.Position) *exchange.Subscription, frame framer) access.Handler {
	return func(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
		wanted, err := parseSpan(r)
		if err != nil {
			wire.WriteError(w, err)
			return
		}
		if s.Counts != nil {
			defer s.Counts.Add(kind)()
		}
		subscription := subscribe(account, wanted.from)
		defer subscription.Close()
		out := &reader{w: w, controller: http.NewResponseController(w), accountID: account.ID, frame: frame}
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		if !out.comment("heartbeat") {
			return
		}
		s.pump(r, out, subscription, &wanted)
	}
}

// pump writes events until the client leaves or the span ends. A stream without an end never ends cleanly: Alpaca's Go SDK
// takes a clean end for success and stops listening.
func (s *TradeEvents) pump(r *http.Request, out *reader, subscription *exchange.Subscription, wanted *span) {
	heartbeat := time.NewTicker(s.Heartbeat)
	defer heartbeat.Stop()
	for {
		more, open := out.batch(subscription, wanted)
		if !open {
			return
		}
		if more {
			continue
		}
		if wanted.over(s.Now()) {
			return
		}
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to break a connection
		case <-subscription.Signal():
		case <-heartbeat.C:
			if !out.comment("heartbeat") {
				return
			}
		case <-endOf(wanted, s.Now()):
		}
	}
}

// endOf is readable when the span ends in the future; nil, which never is, when it has no end.
func endOf(wanted *span, now time.Time) <-chan time.Time {
	if !wanted.bounded() {
		return nil
	}
	end := wanted.until
	if end.IsZero() {
		end = ulid.Time(wanted.untilID.Time())
	}
	return time.After(end.Sub(now) + time.Millisecond)
}

// reader is one client that is written to.
type reader struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	accountID  string
	frame      framer
	buffer     []byte
}

// batch writes the next events; more says whether there may be others at once, open whether the stream goes on.
func (f *reader) batch(subscription *exchange.Subscription, wanted *span) (more, open bool) {
	events, dropped := subscription.Take(batch)
	f.buffer = f.buffer[:0]
	if dropped > 0 {
		f.buffer = append(f.buffer, ": you are reading too slowly, dropped "...)
		f.buffer = append(strconv.AppendInt(f.buffer, int64(dropped), 10), " messages\n\n"...)
	}
	open = true
	for _, event := range events {
		if open = !wanted.past(event); !open {
			break
		}
		f.buffer = f.frame(f.buffer, event, f.accountID)
	}
	if len(f.buffer) > 0 && !f.flush() {
		return false, false
	}
	return len(events) == batch, open
}

func (f *reader) comment(text string) bool {
	f.buffer = append(append(append(f.buffer[:0], ':'), text...), "\n\n"...)
	return f.flush()
}

func (f *reader) flush() bool {
	_ = f.controller.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every transport has deadlines
	if _, err := f.w.Write(f.buffer); err != nil {
		return false
	}
	return f.controller.Flush() == nil
}
