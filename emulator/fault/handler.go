package fault

import (
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Handler applies the registry's faults to next. keyOf names the key that a request was made with.
func (g *Registry) Handler(next http.Handler, keyOf func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, f := range g.Hit(r, keyOf(r)) {
			switch f.Kind {
			case Latency:
				wait(r, f.Delay())
			case Status:
				wire.WriteError(w, &wire.Error{Status: f.Status, Code: f.Code, Message: f.Message})
				return
			case DropBefore:
				panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to break a connection without an answer
			case DropAfter:
				next.ServeHTTP(&unheard{header: w.Header()}, r)
				panic(http.ErrAbortHandler) //nolint:forbidigo // as above
			}
		}
		next.ServeHTTP(w, r)
	})
}

func wait(r *http.Request, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-timer.C:
	}
}

// unheard takes an answer that nobody will receive.
type unheard struct{ header http.Header }

func (u *unheard) Header() http.Header         { return u.header }
func (u *unheard) Write(p []byte) (int, error) { return len(p), nil }
func (u *unheard) WriteHeader(int)             {}
