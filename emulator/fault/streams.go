package fault

import (
	"context"
	"net/http"
	"strings"
	"sync"
)

// streams are the open streams, so that they can be broken. The zero value is ready; it may be used concurrently.
type streams struct {
	mu   sync.Mutex
	open map[*openStream]struct{}
}

type openStream struct {
	keyID  string
	path   string
	cancel context.CancelFunc
}

// isStream reports whether a request is for a stream: an upgrade to WebSocket, or server-sent events.
func isStream(r *http.Request) bool {
	return r.Header.Get("Upgrade") != "" || strings.Contains(r.URL.Path, "/events/")
}

// track lets the returned request's context end with a disconnect; release is called when the stream is over.
func (s *streams) track(r *http.Request, keyID string) (tracked *http.Request, release func()) {
	life, cancel := context.WithCancel(r.Context())
	added := &openStream{keyID: keyID, path: r.URL.Path, cancel: cancel}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*openStream]struct{})
	}
	s.open[added] = struct{}{}
	return r.WithContext(life), func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, added)
	}
}

// Disconnect breaks the open streams of a key and path, and returns how many. Empty stands for all; a WebSocket that sends its
// credentials in a message has no key here.
func (g *Registry) Disconnect(keyID, path string) int {
	g.streams.mu.Lock()
	defer g.streams.mu.Unlock()
	count := 0
	for stream := range g.streams.open {
		if (keyID == "" || keyID == stream.keyID) && (path == "" || path == stream.path) {
			stream.cancel()
			count++
		}
	}
	return count
}

// Streams returns how many streams are open, by path.
func (g *Registry) Streams() map[string]int {
	g.streams.mu.Lock()
	defer g.streams.mu.Unlock()
	count := make(map[string]int)
	for stream := range g.streams.open {
		count[stream.path]++
	}
	return count
}
