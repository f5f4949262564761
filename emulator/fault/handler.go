package fault

import (
	"net/http"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Handler applies the registry's faults to next. keyOf names the key that a request was made with.
func (g *Registry) Handler(next http.Handler, keyOf func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keyID := keyOf(r)
		if isStream(r) {
			tracked, release := g.streams.track(r, keyID)
			defer release()
			g.serve(next, w, tracked, keyID)
			return
		}
		out := &observed{ResponseWriter: w, status: http.StatusOK}
		defer out.done(&g.answers, keyID)
		g.serve(next, out, r, keyID)
	})
}

// serve applies what strikes this request, in the order in which the faults were added.
func (g *Registry) serve(next http.Handler, w http.ResponseWriter, r *http.Request, keyID string) {
	stream := isStream(r)
	for _, f := range g.Hit(r, keyID) {
		if stream && !f.forStreams() {
			continue
		}
		switch f.Kind {
		case Latency:
			wait(r, f.Delay())
		case Status:
			f.answer(w)
			return
		case RateLimit:
			wire.WriteError(w, wire.Plain(http.StatusTooManyRequests, "too many requests."))
			return
		case DropBefore:
			panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to break a connection without an answer
		case DropAfter:
			capture(next, w, r)
			panic(http.ErrAbortHandler) //nolint:forbidigo // as above
		case SlowBody:
			capture(next, w, r).trickle(w, r, f.BytesPerSecond)
			return
		case Truncated:
			capture(next, w, r).truncate(w, f.KeepBytes)
		case Stale:
			if r.Method != http.MethodGet {
				continue
			}
			f.recorded.of(keyID+" "+r.URL.RequestURI(), func() *answer { return capture(next, w, r) }).send(w)
			return
		}
	}
	next.ServeHTTP(w, r)
}
