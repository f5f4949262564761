package telemetry

import (
	"strconv"
	"sync/atomic"
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

// Series are the metrics of one method and endpoint, found once and not at every request. Safe for concurrent use.
type Series struct {
	metrics          *HTTP
	method, endpoint string
	// Both are found at the first answer: what was never asked for has no series.
	ok       atomic.Pointer[prometheus.Counter] // of status 200
	duration atomic.Pointer[prometheus.Observer]
}

// Series returns the series of a method and a route's pattern.
func (m *HTTP) Series(method, endpoint string) *Series {
	return &Series{metrics: m, method: method, endpoint: endpoint}
}

// Observe counts one answered request, as HTTP.Observe does.
func (s *Series) Observe(status int, took time.Duration) {
	duration := s.duration.Load()
	if duration == nil {
		found := s.metrics.duration.WithLabelValues(s.method, s.endpoint)
		duration = &found
		s.duration.Store(duration)
	}
	(*duration).Observe(took.Seconds())
	const usual = 200
	if status != usual {
		s.metrics.requests.WithLabelValues(s.method, s.endpoint, strconv.Itoa(status)).Inc()
		return
	}
	counter := s.ok.Load()
	if counter == nil {
		found := s.metrics.requests.WithLabelValues(s.method, s.endpoint, strconv.Itoa(status))
		counter = &found
		s.ok.Store(counter)
	}
	(*counter).Inc()
}

// ConnectionOpened and ConnectionClosed move active_connections.
func (m *HTTP) ConnectionOpened() { m.connections.Inc() }

// ConnectionClosed is the counterpart of ConnectionOpened.
func (m *HTTP) ConnectionClosed() { m.connections.Dec() }

// Orders are the metrics of the order path. Safe for concurrent use.
type Orders struct {
	total                      *prometheus.CounterVec
	latency, gateway, upstream *prometheus.HistogramVec
	perAccount                 bool
}

// OrderSample is one order as the metrics see it. All but AccountID are labels from closed sets, or times.
type OrderSample struct {
	AccountID, AccountType, Side, Status string
	// Upstream is how long Alpaca took, Gateway the rest of the time to the answer.
	Gateway, Upstream time.Duration
}

// NewOrders registers the order metrics. perAccount adds an account_id label, which is dear with many accounts
// (METRICS_PER_ACCOUNT).
func NewOrders(registerer prometheus.Registerer, perAccount bool) *Orders {
	labels, latencyLabels := []string{"account_type", "side", "status"}, []string{"status"}
	if perAccount {
		labels, latencyLabels = append(labels, "account_id"), append(latencyLabels, "account_id")
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: orderBuckets()}, latencyLabels)
	}
	m := &Orders{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orders_total", Help: "Orders by their outcome at submission.",
		}, labels),
		latency:    histogram("order_latency_seconds", "Time from an order's arrival to its answer, upstream included."),
		gateway:    histogram("order_gateway_seconds", "The part of order_latency_seconds that is not Alpaca's: checks, Redis, settling."),
		upstream:   histogram("order_upstream_seconds", "The part of order_latency_seconds in which Alpaca was waited for."),
		perAccount: perAccount,
	}
	registerer.MustRegister(m.total, m.latency, m.gateway, m.upstream)
	return m
}

// orderBuckets are latencyBuckets with more below a millisecond, where an order's own share lies.
func orderBuckets() []float64 {
	return append([]float64{.0001, .00025}, latencyBuckets()...)
}

// Observe counts one order.
func (m *Orders) Observe(s OrderSample) {
	labels, latencyLabels := []string{s.AccountType, s.Side, s.Status}, []string{s.Status}
	if m.perAccount {
		labels, latencyLabels = append(labels, s.AccountID), append(latencyLabels, s.AccountID)
	}
	m.total.WithLabelValues(labels...).Inc()
	m.latency.WithLabelValues(latencyLabels...).Observe((s.Gateway + s.Upstream).Seconds())
	m.gateway.WithLabelValues(latencyLabels...).Observe(s.Gateway.Seconds())
	m.upstream.WithLabelValues(latencyLabels...).Observe(s.Upstream.Seconds())
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
