package data

import (
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Timing of the event stream.
const (
	usualHeartbeat = 15 * time.Second
	writeLimit     = 30 * time.Second // a reader that takes longer is gone
)

// streamActions pushes corporate actions as server-sent events: first what has happened, if that is asked for, then what is
// announced while the client listens. Like all of Alpaca's, the stream ends cleanly only when it was given an end.
func (api *API) streamActions(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	q := newQuery(r)
	now := api.Clock.Now()
	span := q.actionSpan(r.Header.Get("Last-Event-Id"), now)
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	out := actionWriter{w: w, controller: http.NewResponseController(w)}
	if !out.comment() || !out.events(api.actionEvents(noEarlier(span.begin(now)), now), &span) || span.bounded() {
		return
	}
	heartbeat := time.NewTicker(api.heartbeat())
	defer heartbeat.Stop()
	look := time.NewTicker(market.Step)
	defer look.Stop()
	for told := now; ; {
		select {
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to break a connection
		case <-heartbeat.C:
			if !out.comment() {
				return
			}
		case <-look.C:
			now := api.Clock.Now()
			if !now.After(told) { // it stands, or was set back
				told = now
				continue
			}
			if now.Sub(told) < time.Second { // announcements have whole seconds
				continue
			}
			if !out.events(api.actionEvents(told.Add(1), now), &span) {
				return
			}
			told = now
		}
	}
}

// noEarlier is no earlier than the first action.
func noEarlier(at time.Time) time.Time {
	if first := firstAction(); at.Before(first) {
		return first
	}
	return at
}

func (api *API) heartbeat() time.Duration {
	if api.Heartbeat > 0 {
		return api.Heartbeat
	}
	return usualHeartbeat
}

// actionWriter is one client that is written to.
type actionWriter struct {
	w          http.ResponseWriter
	controller *http.ResponseController
	buffer     []byte
}

func (a *actionWriter) comment() bool {
	a.buffer = append(a.buffer[:0], ":heartbeat\n\n"...)
	return a.flush()
}

// events writes those that are wanted; false when the client is gone.
func (a *actionWriter) events(events []actionEvent, span *actionSpan) bool {
	const full = 64 << 10
	a.buffer = a.buffer[:0]
	for i := range events {
		if !span.wants(&events[i]) {
			continue
		}
		a.buffer = append(append(a.buffer, "id: "...), events[i].id.String()...)
		a.buffer = append(events[i].appendTo(append(a.buffer, "\ndata: "...)), "\n\n"...)
		if len(a.buffer) > full {
			if !a.flush() {
				return false
			}
			a.buffer = a.buffer[:0]
		}
	}
	return len(a.buffer) == 0 || a.flush()
}

func (a *actionWriter) flush() bool {
	_ = a.controller.SetWriteDeadline(time.Now().Add(writeLimit)) // not every transport has deadlines
	if _, err := a.w.Write(a.buffer); err != nil {
		return false
	}
	return a.controller.Flush() == nil
}
