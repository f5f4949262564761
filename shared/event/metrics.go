package event

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// unknownType is the label of what is no known type, so that strangers can't create time series.
const unknownType = "unknown"

type metrics struct {
	processedTotal *prometheus.CounterVec
	failedTotal    *prometheus.CounterVec
	skippedTotal   *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	return &metrics{
		processedTotal: counter(registerer, "events_processed_total", "Events that a handler has dealt with.", "type"),
		failedTotal: counter(registerer, "events_failed_total",
			"Events that were malformed, refused or put off.", "type"),
		skippedTotal: counter(registerer, "events_skipped_total",
			"Events answered without a side effect: duplicates of handled ones, and expired commands.", "type", "reason"),
	}
}

// counter registers a counter, or finds the one that another receiver of the same process has registered.
func counter(registerer prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	vector := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	if registerer == nil {
		return vector
	}
	err := registerer.Register(vector)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(*prometheus.CounterVec); ok {
			return existing
		}
	}
	return vector
}

func (m *metrics) processed(e Event) { m.processedTotal.WithLabelValues(typeLabel(e)).Inc() }
func (m *metrics) failed(e Event)    { m.failedTotal.WithLabelValues(typeLabel(e)).Inc() }
func (m *metrics) skip(e Event, reason string) {
	m.skippedTotal.WithLabelValues(typeLabel(e), reason).Inc()
}

func typeLabel(e Event) string {
	if e.Context == nil || !Known(e.Type()) {
		return unknownType
	}
	return e.Type()
}
