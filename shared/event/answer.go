package event

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// maxErrorText keeps an error body within what Knative copies into a dead letter (1 KiB of base64).
const maxErrorText = 512

// ReadRequest decodes a request in binary or structured mode, at most maxBody bytes of it, and checks what
// CloudEvents 1.0 requires. Errors are *problem.Error of kind InvalidRequest or BodyTooLarge.
func ReadRequest(w http.ResponseWriter, request *http.Request, maxBody int64) (Event, error) {
	request.Body = http.MaxBytesReader(w, request.Body, maxBody)
	message := cehttp.NewMessageFromHttpRequest(request)
	switch message.ReadEncoding() {
	case binding.EncodingBinary, binding.EncodingStructured:
	default:
		return Event{}, problem.InvalidRequest.New("not a CloudEvent in binary or structured mode")
	}
	e, err := binding.ToEvent(request.Context(), message)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return Event{}, problem.BodyTooLarge.New("event is larger than %d bytes", tooLarge.Limit).Because(err)
	}
	if err != nil {
		return Event{}, problem.InvalidRequest.New("malformed CloudEvent").Because(err)
	}
	if e.SpecVersion() != event.CloudEventsVersionV1 {
		return Event{}, problem.InvalidRequest.New("specversion must be 1.0").Field("specversion")
	}
	if err := e.Validate(); err != nil {
		return Event{}, problem.InvalidRequest.New("invalid CloudEvent: %v", err).Because(err)
	}
	return *e, nil
}

// answer writes what tells the broker to give up or to try again.
func answer(w http.ResponseWriter, err error, retryAfter time.Duration) {
	failure := problem.From(err)
	status := deliveryStatus(failure, err)
	if status == http.StatusServiceUnavailable {
		wait := max(failure.RetryAfter, retryAfter)
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	text := failure.Kind.Code() + ": " + failure.Message
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// deliveryStatus maps a failure to one of the answers in Receiver's table. The problem's own status won't do:
// 404 and 409 say "try again" to a broker, and 422 is a business answer that becomes 400 here.
func deliveryStatus(failure *problem.Error, err error) int {
	switch status := failure.Kind.Status(); {
	case failure.Kind == problem.Internal && !errors.Is(err, context.DeadlineExceeded):
		return http.StatusInternalServerError
	case status >= 500, failure.Kind == problem.RateLimitExceeded, failure.Kind == problem.IdempotencyInProgress:
		return http.StatusServiceUnavailable
	case failure.Kind == problem.BodyTooLarge, failure.Kind == problem.UnsupportedMedia,
		failure.Kind == problem.MethodNotAllowed:
		return status
	default:
		return http.StatusBadRequest
	}
}
