package event

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// Defaults of ReceiverConfig.
const (
	DefaultMaxBody        = 1 << 20
	DefaultHandlerTimeout = 20 * time.Second
	DefaultRetryAfter     = time.Second
)

// Handler acts on one event. It is called at least once for each event, so it must be idempotent. nil means
// done; a *problem.Error is mapped by the Receiver (its documentation has the table).
type Handler func(ctx context.Context, e Event) error

// Deduplicator remembers handled events; *Deduper is the one on Redis.
type Deduplicator interface {
	Begin(ctx context.Context, consumer, source, id string) (Token, State, error)
	Done(ctx context.Context, consumer, source, id string) error
	Release(ctx context.Context, consumer, source, id string, token Token) error
}

var _ Deduplicator = (*Deduper)(nil)

// ReceiverConfig has a safe zero value: nothing logged, nothing measured, every delivery handled.
type ReceiverConfig struct {
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	Clock      clock.Clock
	// Deduper makes a redelivered event handled once; nil leaves that to the handlers.
	Deduper Deduplicator
	// MaxBody is the largest request body in bytes; 0 means DefaultMaxBody.
	MaxBody int64
	// HandlerTimeout bounds one call of a handler; 0 means DefaultHandlerTimeout. It must be shorter than the
	// Deduper's lease.
	HandlerTimeout time.Duration
	// RetryAfter is asked for with a 503 when the handler names no time; 0 means DefaultRetryAfter.
	RetryAfter time.Duration
}

// Receiver is the http.Handler that a broker delivers events to. It answers as Knative's delivery rules want:
//
//   - 202 and no body: done, a duplicate of what is done, or a command past its expirytime;
//   - 400 (413, 415): poison, which the broker must send to the dead-letter sink at once: a malformed event, a
//     type that is unknown or not handled here, or a problem with a 4xx status other than 429 and
//     IdempotencyInProgress;
//   - 405: not a POST;
//   - 503 with Retry-After: later, for a dependency that is away (also the Deduper), a rate limit, a timeout, or
//     an event that another instance is handling;
//   - 500: an unexpected error or a panic, which the broker retries too.
//
// Errors have a short text body, "CODE: public message", which Knative puts into the dead letter's
// knativeerrordata. Register handlers before serving; after that it may be used concurrently.
type Receiver struct {
	config  ReceiverConfig
	routes  map[string]route
	rest    *route
	metrics *metrics
}

type route struct {
	consumer string
	handle   Handler
}

// NewReceiver returns a Receiver without handlers.
func NewReceiver(config ReceiverConfig) *Receiver {
	if config.Logger == nil {
		config.Logger = zap.NewNop()
	}
	if config.Clock == nil {
		config.Clock = clock.System{}
	}
	if config.MaxBody <= 0 {
		config.MaxBody = DefaultMaxBody
	}
	if config.HandlerTimeout <= 0 {
		config.HandlerTimeout = DefaultHandlerTimeout
	}
	if config.RetryAfter <= 0 {
		config.RetryAfter = DefaultRetryAfter
	}
	return &Receiver{config: config, routes: make(map[string]route), metrics: newMetrics(config.Registerer)}
}

// Handle registers the handler of one known type, or of TypePing. The consumer names who remembers having handled an event; it
// must never change, or events in flight are handled again. A type that is unknown or registered twice is a
// programming error and panics, as in http.ServeMux.
func (r *Receiver) Handle(eventType, consumer string, handle Handler) {
	if _, taken := r.routes[eventType]; taken || (!Known(eventType) && eventType != TypePing) || consumer == "" || handle == nil {
		//nolint:forbidigo // a programming error, found by the first start
		panic(fmt.Sprintf("event: can't register %q for consumer %q", eventType, consumer))
	}
	r.routes[eventType] = route{consumer: consumer, handle: handle}
}

// HandleRest registers the handler of every type that has none, known or not. It is for a dead-letter sink: such
// events are neither deduplicated (a replayed event may fail a second time) nor dropped for their expirytime.
func (r *Receiver) HandleRest(consumer string, handle Handler) {
	r.rest = &route{consumer: consumer, handle: handle}
}

// ServeHTTP receives one event.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		answer(w, problem.MethodNotAllowed.New("events are posted"), 0)
		return
	}
	e, err := ReadRequest(w, request, r.config.MaxBody)
	if err == nil {
		err = r.receive(request.Context(), e)
	}
	if err == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	r.metrics.failed(e)
	r.log(e, err)
	answer(w, err, r.config.RetryAfter)
}

// receive finds out whether the event has to be handled, and by whom.
func (r *Receiver) receive(ctx context.Context, e Event) error {
	found, ok := r.routes[e.Type()]
	if !ok && r.rest != nil {
		return r.count(e, r.call(ctx, *r.rest, e))
	}
	if !ok {
		return problem.InvalidRequest.New("events of type %q are not handled here", e.Type()).Field("type")
	}
	at, expires, err := Expiry(e)
	if err != nil {
		return problem.InvalidRequest.New("expirytime must be an RFC 3339 time").Field("expirytime").Because(err)
	}
	if expires && r.config.Clock.Now().After(at) {
		r.metrics.skip(e, "expired")
		r.config.Logger.Warn("event expired", fields(e, zap.Time("expirytime", at))...)
		return nil
	}
	return r.once(ctx, found, e)
}

// once calls the handler unless the event is done or in progress.
func (r *Receiver) once(ctx context.Context, to route, e Event) error {
	if r.config.Deduper == nil {
		return r.count(e, r.call(ctx, to, e))
	}
	token, state, err := r.config.Deduper.Begin(ctx, to.consumer, e.Source(), identity(e))
	switch {
	case err != nil:
		return problem.Unavailable.New("can't tell whether the event was handled").Because(err)
	case state == StateDone:
		r.metrics.skip(e, "duplicate")
		return nil
	case state == StateInProgress:
		return problem.Unavailable.New("the event is being handled")
	}
	failure := r.call(ctx, to, e)
	r.settle(ctx, to, e, token, failure)
	return r.count(e, failure)
}

// identity is what a redelivery has in common with the first delivery. It holds the data's digest too, because
// producers choose source and ID: otherwise one account's event could pass off another's as a duplicate.
func identity(e Event) string {
	digest := sha256.Sum256(e.Data())
	return e.ID() + "#" + hex.EncodeToString(digest[:])
}

// settle tells the Deduper how it ended. Its own failure changes nothing for the broker: a done event that is
// not marked would be handled again after its lease, which handlers stand.
func (r *Receiver) settle(ctx context.Context, to route, e Event, token Token, failure error) {
	ctx = context.WithoutCancel(ctx)
	var err error
	if failure == nil {
		err = r.config.Deduper.Done(ctx, to.consumer, e.Source(), identity(e))
	} else {
		err = r.config.Deduper.Release(ctx, to.consumer, e.Source(), identity(e), token)
	}
	if err != nil {
		r.config.Logger.Warn("event not settled", fields(e, zap.Error(err))...)
	}
}

// call runs the handler to its end even when the broker hangs up: half an order is worse than a late answer.
func (r *Receiver) call(ctx context.Context, to route, e Event) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.config.HandlerTimeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			r.config.Logger.Error("event handler panicked",
				fields(e, zap.Any("panic", cause), zap.ByteString("stack", debug.Stack()))...)
			err = problem.Internal.New("internal error")
		}
	}()
	return to.handle(ctx, e)
}

func (r *Receiver) count(e Event, failure error) error {
	if failure == nil {
		r.metrics.processed(e)
	}
	return failure
}

func (r *Receiver) log(e Event, err error) {
	if e.Context == nil {
		r.config.Logger.Info("malformed event", zap.Error(err))
		return
	}
	r.config.Logger.Warn("event failed", fields(e, zap.Error(err))...)
}

// fields names the event in a log line; its data may be private and stays out.
func fields(e Event, more ...zap.Field) []zap.Field {
	return append(more, zap.String("event_id", e.ID()), zap.String("event_type", e.Type()),
		zap.String("event_source", e.Source()), zap.String("account_id", e.Subject()))
}
