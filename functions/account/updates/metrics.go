package updates

import "github.com/prometheus/client_golang/prometheus"

// unknownEvent is the label of an event that this release does not know, so that Alpaca can't create time series.
const unknownEvent = "unknown"

type metrics struct {
	streams  prometheus.Gauge
	events   *prometheus.CounterVec
	failures *prometheus.CounterVec
	lost     prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "account_update_streams", Help: "Accounts whose trade updates this instance follows.",
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "account_update_events_total", Help: "Trade updates taken over, repeats not counted, by Alpaca's name.",
		}, []string{"event"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "account_update_failures_total", Help: "Trade updates that could not be used, and streams that ended.",
		}, []string{"reason"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "account_update_shards_lost_total", Help: "Shards whose Redis was new, lost its data, or was taken over by a replica.",
		}),
	}
	registerer.MustRegister(m.streams, m.events, m.failures, m.lost)
	return m
}

// The reasons of a failure.
const (
	failureUnauthorized = "unauthorized"
	failureMalformed    = "malformed"
	failureStream       = "stream"
	failureForgotten    = "forgotten"
	failureRedis        = "redis"
)

func (m *metrics) failed(reason string) { m.failures.WithLabelValues(reason).Inc() }

// took counts one trade update.
func (m *metrics) took(name string) {
	if !known(name) {
		name = unknownEvent
	}
	m.events.WithLabelValues(name).Inc()
}
