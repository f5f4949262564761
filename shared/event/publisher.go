package event

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// What a failed Publish means; test with errors.Is.
var (
	// ErrRefused: the sink will never take this event. Publishing it again is useless.
	ErrRefused = errors.New("event refused")
	// ErrLater: the sink did not answer, or not now. Publishing it again is right; it may have arrived.
	ErrLater = errors.New("event not taken yet")
)

// DefaultPublishTimeout bounds one Publish when no client is given.
const DefaultPublishTimeout = 10 * time.Second

// maxAnswer is how much of a sink's answer is read so that its connection can be used again.
const maxAnswer = 64 << 10

// DeliveryError is every error of Publish that the sink caused. It wraps ErrRefused or ErrLater.
type DeliveryError struct {
	// Status is the sink's HTTP status, or 0 when there was no answer.
	Status int
	// RetryAfter is how long the sink asked to be left alone, or 0.
	RetryAfter time.Duration
	meaning    error
	cause      error
}

// Error returns the text for logs.
func (e *DeliveryError) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%v: %v", e.meaning, e.cause)
	}
	return fmt.Sprintf("%v: status %d", e.meaning, e.Status)
}

// Unwrap lets errors.Is find the meaning and the cause.
func (e *DeliveryError) Unwrap() []error {
	if e.cause != nil {
		return []error{e.meaning, e.cause}
	}
	return []error{e.meaning}
}

// Publisher posts events to one sink in binary mode. It may be used concurrently.
type Publisher struct {
	sink   string
	client *http.Client
}

// NewPublisher returns a Publisher to sinkURL (Knative's K_SINK). A nil client is one with
// DefaultPublishTimeout. Redirects are not followed. The error is for a sinkURL that is no absolute HTTP URL.
func NewPublisher(sinkURL string, client *http.Client) (*Publisher, error) {
	sink, err := url.Parse(sinkURL)
	if err != nil || sink.Host == "" || (sink.Scheme != "http" && sink.Scheme != "https") {
		return nil, errors.New("event sink must be an absolute http or https URL")
	}
	if client == nil {
		client = &http.Client{Timeout: DefaultPublishTimeout}
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Publisher{sink: sinkURL, client: &own}, nil
}

// Publish posts one event and returns nil when the sink has taken it. Other errors are a *DeliveryError, or
// say that the event is not valid (ErrRefused too).
func (p *Publisher) Publish(ctx context.Context, e Event) error {
	request, err := p.request(ctx, e)
	if err != nil {
		return err
	}
	return p.send(request, e)
}

// PublishWhile is Publish for who may lose the right to publish at any time. holds is asked right before the event is
// sent, when there is a connection; when it returns an error nothing is published, and the error, a *DeliveryError with
// ErrLater, wraps it. holds is called from another goroutine, and again for each attempt; its context ends with ctx.
func (p *Publisher) PublishWhile(ctx context.Context, e Event, holds func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	request, err := p.request(ctx, e)
	if err != nil {
		return err
	}
	guardBody(request, cancel, holds)
	return p.send(request, e)
}

func (p *Publisher) request(ctx context.Context, e Event) (*http.Request, error) {
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("publish: %w: %w", ErrRefused, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.sink, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w: %w", e.ID(), ErrRefused, err)
	}
	if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), request); err != nil {
		return nil, fmt.Errorf("publish %s: %w: %w", e.ID(), ErrRefused, err)
	}
	return request, nil
}

func (p *Publisher) send(request *http.Request, e Event) error {
	response, err := p.client.Do(request)
	if err != nil {
		return fmt.Errorf("publish %s %s: %w", e.Type(), e.ID(), &DeliveryError{meaning: ErrLater, cause: err})
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer)
	if response.StatusCode/100 == 2 {
		return nil
	}
	return fmt.Errorf("publish %s %s: %w", e.Type(), e.ID(), deliveryError(response))
}

func deliveryError(response *http.Response) *DeliveryError {
	failure := &DeliveryError{Status: response.StatusCode, meaning: ErrLater}
	if refuses(response.StatusCode) {
		failure.meaning = ErrRefused
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		failure.RetryAfter = time.Duration(seconds) * time.Second
	}
	return failure
}

// refuses follows Knative's retry table: of the 4xx only 404, 408, 409 and 429 are worth another try. A
// redirect is a sink that is set up wrong, which somebody will mend.
func refuses(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return false
	default:
		return status >= 400 && status < 500
	}
}
