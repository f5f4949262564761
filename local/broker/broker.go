package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// Defaults and limits.
const (
	DefaultAddr       = "127.0.0.1:0"
	DefaultQueueLimit = 100_000
	DefaultWorkers    = 64

	// maxEvent and maxAnswer bound what is read of a request and of a subscriber's answer, in bytes.
	maxEvent  = 1 << 20
	maxAnswer = 1 << 20

	// readHeaderTimeout is how long a connection may take to send its headers.
	readHeaderTimeout = 5 * time.Second
)

// extensionArrivalTime is when the broker got the event; consumers measure delivery latency by it.
const extensionArrivalTime = "knativearrivaltime"

// ErrDropped is what Stop returns when events were still undelivered at its deadline.
var ErrDropped = errors.New("events dropped")

var errFull = errors.New("the broker's queue is full or closing")

// Config has a safe zero value, but for Resolve, which a Definition with service references needs.
type Config struct {
	// Addr is where Start listens; empty is DefaultAddr, a free port of this machine.
	Addr string
	// Resolve returns the base URL of a service. It is called for each attempt, concurrently.
	Resolve func(name string) (*url.URL, bool)
	// Client posts to subscribers; nil is one that keeps a connection for each worker. Its redirect policy is
	// replaced: redirects are not followed.
	Client     *http.Client
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	Clock      clock.Clock
	// QueueLimit is how many deliveries may wait; beyond it publishers get a 503. 0 is DefaultQueueLimit.
	QueueLimit int
	// Workers is how many posts may be under way at once; 0 is DefaultWorkers.
	Workers int
	// Sleep waits for d or until ctx ends, whose error it then returns; nil is real time.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Stats counts since New. Deliveries are counted for each Trigger.
type Stats struct {
	// Accepted and Refused count events at the ingress; refused are those that found the queue full.
	Accepted, Refused uint64
	// Delivered, DeadLettered and Dropped are the three ends of a delivery; Retried counts attempts after the first.
	Delivered, Retried, DeadLettered, Dropped uint64
	// Pending is how many deliveries are under way or wait.
	Pending int
}

type counts struct {
	accepted, refused, delivered, retried, deadLettered, dropped atomic.Uint64
	// stopped is the part of dropped that Stop is to blame for.
	stopped atomic.Uint64
}

// Broker takes events over HTTP and delivers them. It may be used concurrently.
type Broker struct {
	definition Definition
	config     Config
	client     *http.Client
	queue      *queue
	workers    chan struct{}
	counts     counts
	server     *http.Server
	listener   net.Listener
	served     chan struct{}
}

// New returns a Broker that serves once Start has run, or under somebody else's server. It must be stopped.
func New(definition Definition, config Config) (*Broker, error) {
	config = withDefaults(config)
	if config.Resolve == nil {
		for _, trigger := range definition.Triggers {
			if trigger.Subscriber.Service != "" {
				return nil, fmt.Errorf("trigger %s refers to a service, and Config.Resolve is nil", trigger.Name)
			}
		}
		config.Resolve = func(string) (*url.URL, bool) { return nil, false }
	}
	client := *config.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b := &Broker{
		definition: definition, config: config, client: &client, workers: make(chan struct{}, config.Workers),
	}
	b.queue = newQueue(config.QueueLimit, b.deliver, b.drop)
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: readHeaderTimeout}
	if err := b.register(config.Registerer); err != nil {
		return nil, err
	}
	return b, nil
}

func withDefaults(config Config) Config {
	if config.Addr == "" {
		config.Addr = DefaultAddr
	}
	if config.Logger == nil {
		config.Logger = zap.NewNop()
	}
	if config.Clock == nil {
		config.Clock = clock.System{}
	}
	if config.QueueLimit <= 0 {
		config.QueueLimit = DefaultQueueLimit
	}
	if config.Workers <= 0 {
		config.Workers = DefaultWorkers
	}
	if config.Client == nil {
		config.Client = &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: config.Workers, IdleConnTimeout: time.Minute,
		}}
	}
	if config.Sleep == nil {
		config.Sleep = sleep
	}
	return config
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Start listens and serves until Stop. The context bounds listening only. The error is for an address that is
// taken.
func (b *Broker) Start(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", b.config.Addr)
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	b.listener, b.served = listener, make(chan struct{})
	go func() {
		defer close(b.served)
		if err := b.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			b.config.Logger.Error("broker stopped serving", zap.Error(err))
		}
	}()
	return nil
}

// URL is where to publish, or "" before Start.
func (b *Broker) URL() string {
	if b.listener == nil {
		return ""
	}
	return "http://" + b.listener.Addr().String()
}

// Stop takes no more events, delivers what is queued until ctx ends, and drops the rest, which the error then
// counts (ErrDropped). Stopping it again does no harm.
func (b *Broker) Stop(ctx context.Context) error {
	shutdown := b.shutdown(ctx)
	b.queue.drain(ctx)
	b.client.CloseIdleConnections()
	if lost := b.counts.stopped.Load(); lost > 0 {
		return fmt.Errorf("stop broker: %d %w", lost, ErrDropped)
	}
	return shutdown
}

func (b *Broker) shutdown(ctx context.Context) error {
	if b.listener == nil {
		return nil
	}
	err := b.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, b.server.Close())
	}
	<-b.served
	return err
}

// Stats returns the counters.
func (b *Broker) Stats() Stats {
	return Stats{
		Accepted: b.counts.accepted.Load(), Refused: b.counts.refused.Load(), Delivered: b.counts.delivered.Load(),
		Retried: b.counts.retried.Load(), DeadLettered: b.counts.deadLettered.Load(),
		Dropped: b.counts.dropped.Load(), Pending: b.queue.size(),
	}
}

// publish queues an event for every Trigger that wants it.
func (b *Broker) publish(e event.Event, hops int, reply bool) error {
	if hops > maxHops {
		b.counts.dropped.Add(1)
		b.config.Logger.Error("event lost: replies go in a circle", zap.String("event_type", e.Type()))
		return nil
	}
	e.SetExtension(extensionArrivalTime, b.config.Clock.Now().UTC())
	var deliveries []delivery
	for i := range b.definition.Triggers {
		trigger := &b.definition.Triggers[i]
		if trigger.Filter(e) {
			deliveries = append(deliveries, delivery{trigger: trigger, event: e, hops: hops})
		}
	}
	if !b.queue.add(deliveries, reply) {
		return errFull
	}
	return nil
}

// drop gives up a delivery because the broker is stopped.
func (b *Broker) drop(d delivery) {
	b.counts.dropped.Add(1)
	b.counts.stopped.Add(1)
	b.config.Logger.Error("event lost: the broker was stopped", zap.String("trigger", d.trigger.Name),
		zap.String("event_id", d.event.ID()), zap.String("event_type", d.event.Type()))
}
