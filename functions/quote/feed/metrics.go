package feed

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

type metrics struct {
	leading  prometheus.Gauge
	live     *prometheus.GaugeVec
	topics   *prometheus.GaugeVec
	limited  *prometheus.GaugeVec
	events   *prometheus.CounterVec
	last     *prometheus.GaugeVec
	connects *prometheus.CounterVec
	failures *prometheus.CounterVec
	batches  prometheus.Counter
	lost     prometheus.Counter
	crossed  prometheus.Counter
	watches  prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"class"})
	}
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		leading:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "feed_leading", Help: "1 on the instance that holds the upstream sockets."}),
		live:     gauge("feed_live", "1 while data flows."),
		topics:   gauge("feed_topics", "Topics subscribed to upstream."),
		limited:  gauge("feed_limited_topics", "Topics that the data plan has no room for."),
		events:   counter("feed_events_total", "Ticks taken from Alpaca.", "class"),
		last:     gauge("feed_last_event_timestamp_seconds", "When the last tick came, Unix time."),
		connects: counter("feed_connections_total", "Upstream connections that were opened.", "class"),
		failures: counter("feed_failures_total", "What went wrong, by kind.", "reason"),
		batches:  prometheus.NewCounter(prometheus.CounterOpts{Name: "feed_batches_total", Help: "Batches published."}),
		lost:     prometheus.NewCounter(prometheus.CounterOpts{Name: "feed_lost_ticks_total", Help: "Ticks dropped because Redis took none."}),
		crossed:  prometheus.NewCounter(prometheus.CounterOpts{Name: "feed_crossings_total", Help: "Price crossings emitted."}),
		watches:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "feed_watches", Help: "Price watches evaluated."}),
	}
	registerer.MustRegister(m.leading, m.live, m.topics, m.limited, m.events, m.last, m.connects, m.failures, m.batches, m.lost, m.crossed, m.watches)
	return m
}

// The reasons of a failure.
const (
	failureConnect  = "connect"
	failureCut      = "cut"
	failureSilent   = "silent"
	failurePublish  = "publish"
	failureStore    = "store"
	failureInterest = "interest"
	failurePoll     = "poll"
	failureCrossing = "crossing"
)

func (m *metrics) failed(reason string) { m.failures.WithLabelValues(reason).Inc() }

// ofClass are the series of one class, looked up once.
type ofClass struct {
	live, topics, limited, last prometheus.Gauge
	events, connects            prometheus.Counter
}

func (m *metrics) of(class tick.Class) ofClass {
	name := class.String()
	return ofClass{
		live: m.live.WithLabelValues(name), topics: m.topics.WithLabelValues(name), limited: m.limited.WithLabelValues(name),
		last: m.last.WithLabelValues(name), events: m.events.WithLabelValues(name), connects: m.connects.WithLabelValues(name),
	}
}
