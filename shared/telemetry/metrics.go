package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// latencyBuckets are upper bounds in seconds, dense around the goals: 1 ms for an order's own share, 10 ms and
// 50 ms for requests.
func latencyBuckets() []float64 {
	return []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
}

// NewRegistry returns a registry with the Go runtime's and the process's own collectors.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// HTTP are the metrics of a function's HTTP face. Safe for concurrent use.
type HTTP struct {
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	connections prometheus.Gauge
}

// NewHTTP registers the HTTP metrics with registerer.
func NewHTTP(registerer prometheus.Registerer) *HTTP {
	m := &HTTP{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "api_requests_total", Help: "Requests answered.",
		}, []string{"method", "endpoint", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "api_request_duration_seconds", Help: "Time from a request's arrival to the end of its answer.",
			Buckets: latencyBuckets(),
		}, []string{"method", "endpoint"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "active_connections", Help: "Open client connections.",
		}),
	}
	registerer.MustRegister(m.requests, m.duration, m.connections)
	return m
}

// Observe counts one answered request. endpoint is the route's pattern, never the raw path.
func (m *HTTP) Observe(method, endpoint, status string, took time.Duration) {
	m.Count(method, endpoint, status)
	m.duration.WithLabelValues(method, endpoint).Observe(took.Seconds())
}

// Count counts one answered request whose duration says nothing about the service: a stream's is its client's.
func (m *HTTP) Count(method, endpoint, status string) {
	m.requests.WithLabelValues(method, endpoint, status).Inc()
}

// ConnectionOpened and ConnectionClosed move active_connections.
func (m *HTTP) ConnectionOpened() { m.connections.Inc() }

// ConnectionClosed is the counterpart of ConnectionOpened.
func (m *HTTP) ConnectionClosed() { m.connections.Dec() }

// Orders are the metrics of the order path. Safe for concurrent use.
type Orders struct {
	total      *prometheus.CounterVec
	latency    *prometheus.HistogramVec
	perAccount bool
}

// NewOrders registers the order metrics. perAccount adds an account_id label, which is dear with many accounts
// (METRICS_PER_ACCOUNT).
func NewOrders(registerer prometheus.Registerer, perAccount bool) *Orders {
	labels, latencyLabels := []string{"account_type", "side", "status"}, []string{}
	if perAccount {
		labels, latencyLabels = append(labels, "account_id"), append(latencyLabels, "account_id")
	}
	m := &Orders{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orders_total", Help: "Orders by their outcome at submission.",
		}, labels),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "order_latency_seconds", Help: "Time from an order's arrival to its answer, upstream included.",
			Buckets: latencyBuckets(),
		}, latencyLabels),
		perAccount: perAccount,
	}
	registerer.MustRegister(m.total, m.latency)
	return m
}

// Observe counts one order. side and status must come from a closed set.
func (m *Orders) Observe(accountID, accountType, side, status string, took time.Duration) {
	if m.perAccount {
		m.total.WithLabelValues(accountType, side, status, accountID).Inc()
		m.latency.WithLabelValues(accountID).Observe(took.Seconds())
		return
	}
	m.total.WithLabelValues(accountType, side, status).Inc()
	m.latency.WithLabelValues().Observe(took.Seconds())
}

// Cache are the metrics of a cache. Safe for concurrent use.
type Cache struct {
	hits, misses *prometheus.CounterVec
}

// NewCache registers cache_hits_total and cache_misses_total.
func NewCache(registerer prometheus.Registerer) *Cache {
	m := &Cache{
		hits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cache_hits_total", Help: "Reads that a cache answered, by kind and level.",
		}, []string{"kind"}),
		misses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cache_misses_total", Help: "Reads that no cache could answer, by kind.",
		}, []string{"kind"}),
	}
	registerer.MustRegister(m.hits, m.misses)
	return m
}

// Hit counts a read of kind that was answered from a cache.
func (m *Cache) Hit(kind string) { m.hits.WithLabelValues(kind).Inc() }

// Miss counts a read of kind that had to go upstream.
func (m *Cache) Miss(kind string) { m.misses.WithLabelValues(kind).Inc() }

// HitCounter and MissCounter are the counters behind Hit and Miss, for a path that counts at every request.
func (m *Cache) HitCounter(kind string) prometheus.Counter { return m.hits.WithLabelValues(kind) }

// MissCounter is the counterpart of HitCounter.
func (m *Cache) MissCounter(kind string) prometheus.Counter { return m.misses.WithLabelValues(kind) }
