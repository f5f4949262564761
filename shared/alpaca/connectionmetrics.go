package alpaca

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// connectionMetrics count the connections to the upstream hosts.
type connectionMetrics struct {
	open       *prometheus.GaugeVec
	handshakes *prometheus.CounterVec
}

// newConnectionMetrics registers the metrics, or finds those that another client of the process registered.
func newConnectionMetrics(registerer prometheus.Registerer, perAccount bool) (connectionMetrics, error) {
	labels := []string{"host"}
	if perAccount {
		labels = append(labels, "account_id")
	}
	open, err := registered(registerer, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "connection_pool_size", Help: "Open connections to an upstream host.",
	}, labels))
	if err != nil {
		return connectionMetrics{}, err
	}
	handshakes, err := registered(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "upstream_tls_handshakes_total",
		Help: "TLS handshakes with an upstream host; a resumed one needed no certificates and no signature.",
	}, []string{"host", "resumed"}))
	return connectionMetrics{open: open, handshakes: handshakes}, err
}

// registered registers collector with registerer, where there is one, and returns it or its namesake there.
func registered[C prometheus.Collector](registerer prometheus.Registerer, collector C) (C, error) {
	if registerer == nil {
		return collector, nil
	}
	err := registerer.Register(collector)
	var taken prometheus.AlreadyRegisteredError
	if errors.As(err, &taken) {
		if existing, ok := taken.ExistingCollector.(C); ok {
			return existing, nil
		}
	}
	if err != nil {
		return collector, fmt.Errorf("alpaca: register the connection metrics: %w", err)
	}
	return collector, nil
}

// handshaken counts a completed handshake after verify, which may be nil, has agreed to it; crypto/tls calls this for
// resumed connections as well.
func (m connectionMetrics) handshaken(verify func(tls.ConnectionState) error) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if verify != nil {
			if err := verify(state); err != nil {
				return err
			}
		}
		m.handshakes.WithLabelValues(state.ServerName, strconv.FormatBool(state.DidResume)).Inc()
		return nil
	}
}
