package broker

import (
	"net/http"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// ServeHTTP is the ingress: POST / or /{namespace}/{broker}, one CloudEvent in binary or structured mode. 202 says
// that the event is queued, not that anybody has seen it.
func (b *Broker) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if !b.ownPath(request.URL.Path) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if request.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	e, err := event.ReadRequest(w, request, maxEvent)
	if err != nil {
		failure := problem.From(err)
		http.Error(w, failure.Message, failure.Kind.Status())
		return
	}
	if err := b.publish(e, 0, false); err != nil {
		b.counts.refused.Add(1)
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	b.counts.accepted.Add(1)
	w.WriteHeader(http.StatusAccepted)
}

// ownPath accepts any namespace: here there is one.
func (b *Broker) ownPath(path string) bool {
	if path == "/" || path == "" {
		return true
	}
	namespace, name, found := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return found && namespace != "" && name == b.definition.Name
}
