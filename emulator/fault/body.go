package fault

import (
	"bytes"
	"net/http"
	"sync"
	"time"
)

// answer is a response that is kept instead of sent.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func capture(next http.Handler, w http.ResponseWriter, r *http.Request) *answer {
	kept := &answer{header: w.Header().Clone(), status: http.StatusOK}
	next.ServeHTTP(kept, r)
	return kept
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
func (a *answer) WriteHeader(status int)      { a.status = status }

// head sends everything but the body.
func (a *answer) head(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
}

func (a *answer) send(w http.ResponseWriter) {
	a.head(w)
	_, _ = w.Write(a.body.Bytes()) // a client that is gone is not our error
}

// trickle sends the body a tenth of a second's worth at a time.
func (a *answer) trickle(w http.ResponseWriter, r *http.Request, bytesPerSecond int) {
	const perSecond = 10
	a.head(w)
	out := http.NewResponseController(w)
	for rest := a.body.Bytes(); len(rest) > 0 && r.Context().Err() == nil; {
		size := min(len(rest), max(1, bytesPerSecond/perSecond))
		if _, err := w.Write(rest[:size]); err != nil {
			return
		}
		_ = out.Flush() // not every transport can
		rest = rest[size:]
		wait(r, time.Duration(size)*time.Second/time.Duration(bytesPerSecond))
	}
}

// truncate promises the whole body and breaks the connection after a part of it.
func (a *answer) truncate(w http.ResponseWriter, keep int) {
	a.head(w)
	body := a.body.Bytes()
	_, _ = w.Write(body[:min(keep, len(body))])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to break a connection
}

// recordings are the answers that a stale fault repeats. It may be used concurrently.
type recordings struct {
	mu      sync.Mutex
	answers map[string]*answer
}

const maxRecordings = 10_000

// of returns the first answer to this request, which fetch gets when there is none yet.
func (c *recordings) of(key string, fetch func() *answer) *answer {
	c.mu.Lock()
	found, ok := c.answers[key]
	c.mu.Unlock()
	if ok {
		return found
	}
	fetched := fetch()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answers == nil {
		c.answers = make(map[string]*answer)
	}
	if found, ok := c.answers[key]; ok {
		return found
	}
	if len(c.answers) < maxRecordings {
		c.answers[key] = fetched
	}
	return fetched
}
