package fault

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
)

// answers counts the answers to each key by status. The zero value is ready; it may be used concurrently.
type answers struct {
	mu     sync.Mutex
	counts map[string]map[string]int
}

// broken is what is counted for a request whose connection was broken.
const broken = "broken"

func (a *answers) count(keyID, status string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts == nil {
		a.counts = make(map[string]map[string]int)
	}
	byStatus := a.counts[keyID]
	if byStatus == nil {
		const maxKeys = 100_000 // keys are what clients claim
		if len(a.counts) >= maxKeys {
			return
		}
		byStatus = make(map[string]int)
		a.counts[keyID] = byStatus
	}
	byStatus[status]++
}

// Answers returns how many answers of each HTTP status every key got; "broken" counts connections that a fault broke.
func (g *Registry) Answers() map[string]map[string]int {
	g.answers.mu.Lock()
	defer g.answers.mu.Unlock()
	counts := make(map[string]map[string]int, len(g.answers.counts))
	for keyID, byStatus := range g.answers.counts {
		counts[keyID] = maps.Clone(byStatus)
	}
	return counts
}

// Reset lifts all faults and sets the counters to zero.
func (g *Registry) Reset() {
	g.Clear()
	g.answers.mu.Lock()
	defer g.answers.mu.Unlock()
	g.answers.counts = nil
}

// observed remembers the status of an answer.
type observed struct {
	http.ResponseWriter
	status int
}

// WriteHeader passes the status on.
func (o *observed) WriteHeader(status int) {
	o.status = status
	o.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// done counts the answer when the handler has returned or broken the connection.
func (o *observed) done(counts *answers, keyID string) {
	status := strconv.Itoa(o.status)
	if failure := recover(); failure != nil {
		counts.count(keyID, broken)
		panic(failure) //nolint:forbidigo // passed on: net/http breaks the connection
	}
	counts.count(keyID, status)
}
