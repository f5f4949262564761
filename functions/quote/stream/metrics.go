package stream

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

type metrics struct {
	http     *telemetry.HTTP
	open     *prometheus.GaugeVec
	messages prometheus.Counter
	frames   prometheus.Counter
	bytes    prometheus.Counter
	skipped  prometheus.Counter
	gaps     prometheus.Counter
	closed   *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer, http *telemetry.HTTP) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		http:     http,
		open:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "stream_connections", Help: "Open streams."}, []string{"transport"}),
		messages: counter("stream_messages_total", "Messages sent to clients."),
		frames:   counter("stream_frames_total", "Frames that carried them."),
		bytes:    counter("stream_bytes_total", "Bytes of those frames."),
		skipped:  counter("stream_skipped_total", "Messages that a newer one replaced because the client was slow."),
		gaps:     counter("stream_gaps_total", "Times that ticks between the feed and this instance were lost."),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stream_closed_total", Help: "Streams that ended, by code."},
			[]string{"code"}),
	}
	registerer.MustRegister(m.open, m.messages, m.frames, m.bytes, m.skipped, m.gaps, m.closed)
	return m
}
