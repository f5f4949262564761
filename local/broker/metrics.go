package broker

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// register exposes the counters of Stats.
func (b *Broker) register(registerer prometheus.Registerer) error {
	if registerer == nil {
		return nil
	}
	collectors := []prometheus.Collector{
		counter("broker_events_accepted_total", "Events taken at the ingress.", &b.counts.accepted),
		counter("broker_events_refused_total", "Events refused because the queue was full.", &b.counts.refused),
		counter("broker_deliveries_total", "Deliveries that a subscriber took.", &b.counts.delivered),
		counter("broker_retries_total", "Delivery attempts after the first.", &b.counts.retried),
		counter("broker_dead_letters_total", "Deliveries that ended in the dead-letter sink.", &b.counts.deadLettered),
		counter("broker_dropped_total", "Deliveries that were lost.", &b.counts.dropped),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "broker_pending", Help: "Deliveries under way or waiting.",
		}, func() float64 { return float64(b.queue.size()) }),
	}
	for _, collector := range collectors {
		if err := registerer.Register(collector); err != nil {
			return fmt.Errorf("register broker metrics: %w", err)
		}
	}
	return nil
}

func counter(name, help string, value *atomic.Uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
		func() float64 { return float64(value.Load()) })
}
