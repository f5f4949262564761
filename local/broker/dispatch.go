package broker

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// The extensions that a dead letter carries, as in knative/eventing pkg/kncloudevents/attributes.
const (
	extensionErrorDest = "knativeerrordest"
	extensionErrorCode = "knativeerrorcode"
	extensionErrorData = "knativeerrordata"
	// maxErrorData is how many bytes of an answer fit into knativeerrordata, 1024 characters of base64.
	maxErrorData = 768
)

// maxHops ends a loop of replies that cause replies; Knative's own limit.
const maxHops = 255

// outcome is how one attempt, or the last of several, ended.
type outcome struct {
	// status is the subscriber's, 502 for an answer that breaks the rules, or 500 for no answer.
	status int
	// body is the answer's body, or a text in its place.
	body []byte
}

func (o outcome) taken() bool { return o.status/100 == 2 }

// retryable is Knative's SelectiveRetry.
func (o outcome) retryable() bool {
	switch o.status {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true
	default:
		return o.status >= 500
	}
}

// deliver brings one event to one Trigger's subscriber or, failing that, to its dead-letter sink.
func (b *Broker) deliver(ctx context.Context, d delivery) {
	//nolint:contextcheck // a reply is published whether or not this delivery is cut short
	result := b.send(ctx, d.trigger.Subscriber, d.event, d.trigger.Delivery, b.judgeSubscriber(d))
	switch {
	case result.taken():
		b.counts.delivered.Add(1)
	case ctx.Err() != nil:
		b.drop(d)
	default:
		b.deadLetter(ctx, d, result)
	}
}

func (b *Broker) deadLetter(ctx context.Context, d delivery, failure outcome) {
	sink := d.trigger.Delivery.DeadLetterSink
	log := b.config.Logger.With(zap.String("trigger", d.trigger.Name), zap.String("event_id", d.event.ID()),
		zap.String("event_type", d.event.Type()), zap.Int("status", failure.status))
	if sink == nil {
		b.counts.dropped.Add(1)
		log.Error("event lost: no dead-letter sink")
		return
	}
	letter := d.event.Clone()
	letter.SetExtension(extensionErrorDest, b.addressText(d.trigger.Subscriber))
	letter.SetExtension(extensionErrorCode, failure.status)
	if len(failure.body) > 0 {
		excerpt := failure.body[:min(len(failure.body), maxErrorData)]
		letter.SetExtension(extensionErrorData, base64.StdEncoding.EncodeToString(excerpt))
	}
	result := b.send(ctx, *sink, letter, d.trigger.Delivery, judgeStatus)
	if result.taken() {
		b.counts.deadLettered.Add(1)
		log.Warn("event dead-lettered")
		return
	}
	if ctx.Err() != nil {
		b.drop(d)
		return
	}
	b.counts.dropped.Add(1)
	log.Error("event lost: the dead-letter sink failed", zap.Int("sink_status", result.status))
}

// judge decides what an answer means.
type judge func(response *http.Response, body []byte) outcome

// judgeStatus looks at the status alone: a dead-letter sink may answer with any body.
func judgeStatus(response *http.Response, body []byte) outcome {
	return outcome{status: response.StatusCode, body: body}
}

// judgeSubscriber holds a 2xx to the rule of Knative's filter: no body, or a CloudEvent, which is published.
func (b *Broker) judgeSubscriber(d delivery) judge {
	return func(response *http.Response, body []byte) outcome {
		result := outcome{status: response.StatusCode, body: body}
		if !result.taken() {
			return result
		}
		message := cehttp.NewMessage(response.Header, io.NopCloser(bytes.NewReader(body)))
		if message.ReadEncoding() == binding.EncodingUnknown {
			if len(body) > 0 {
				return outcome{status: http.StatusBadGateway, body: []byte("a 2xx answer must be empty or a CloudEvent")}
			}
			return result
		}
		reply, err := binding.ToEvent(context.Background(), message)
		if err == nil {
			err = reply.Validate()
		}
		if err != nil {
			return outcome{status: http.StatusBadGateway, body: []byte("malformed CloudEvent in the answer: " + err.Error())}
		}
		if err := b.publish(*reply, d.hops+1, true); err != nil {
			return outcome{status: http.StatusServiceUnavailable, body: []byte(err.Error())}
		}
		return result
	}
}

// send tries until the event is taken, refused for good, or out of retries.
func (b *Broker) send(ctx context.Context, to Destination, e event.Event, policy Delivery, decide judge) outcome {
	for attempt := 0; ; attempt++ {
		result := b.attempt(ctx, to, e, policy, decide)
		if result.taken() || !result.retryable() || attempt >= policy.Retry {
			return result
		}
		if err := b.config.Sleep(ctx, policy.Backoff(attempt)); err != nil {
			return result
		}
		b.counts.retried.Add(1)
	}
}

// attempt posts the event once. Only the post itself holds one of the worker slots: a lane that waits for its next
// attempt keeps nobody else waiting.
func (b *Broker) attempt(ctx context.Context, to Destination, e event.Event, policy Delivery, decide judge) outcome {
	select {
	case b.workers <- struct{}{}:
		defer func() { <-b.workers }()
	case <-ctx.Done():
		return outcome{status: http.StatusInternalServerError}
	}
	ctx, cancel := context.WithTimeout(ctx, policy.Timeout)
	defer cancel()
	response, body, err := b.post(ctx, to, e) //nolint:bodyclose // post reads and closes it
	if err != nil {
		return outcome{status: http.StatusInternalServerError, body: []byte("dispatch error: " + err.Error())}
	}
	return decide(response, body)
}

func (b *Broker) post(ctx context.Context, to Destination, e event.Event) (*http.Response, []byte, error) {
	target, err := b.address(to)
	if err != nil {
		return nil, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), http.NoBody)
	if err != nil {
		return nil, nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Prefer", "reply") // Knative sends it with every delivery (knative/eventing #5764)
	if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), request); err != nil {
		return nil, nil, fmt.Errorf("encode event: %w", err)
	}
	response, err := b.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read answer: %w", err)
	}
	if len(body) > maxAnswer {
		return nil, nil, errors.New("the answer is too large")
	}
	return response, body, nil
}

// address finds where a destination is right now; services may start after the broker.
func (b *Broker) address(to Destination) (*url.URL, error) {
	if to.Service == "" {
		return to.URI, nil
	}
	base, found := b.config.Resolve(to.Service)
	if !found {
		return nil, fmt.Errorf("service %s has no address", to.Service)
	}
	if to.URI == nil {
		return base, nil
	}
	return base.ResolveReference(to.URI), nil
}

func (b *Broker) addressText(to Destination) string {
	target, err := b.address(to)
	if err != nil {
		return to.String()
	}
	return target.String()
}
