package alpaca

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Why TradeEvents returned, beside the errors of every call.
var (
	// ErrStreamEnded: Alpaca closed the stream. Continue from the last event's ID.
	ErrStreamEnded = errors.New("alpaca: trade event stream ended")
	// ErrStreamIdle: nothing arrived for Config.StreamIdleTimeout.
	ErrStreamIdle = errors.New("alpaca: trade event stream is silent")
	// ErrEventsDropped: Alpaca left out events because they were not read fast enough. Continue from the last event's
	// ID to get them.
	ErrEventsDropped = errors.New("alpaca: trade events were dropped")
	// ErrMalformedEvent: an event can't be decoded. Continuing from the last event's ID brings it again.
	ErrMalformedEvent = errors.New("alpaca: malformed trade event")
)

const tradeEventsPath = "/v2/events/trades"

var errOpenTimeout = fmt.Errorf("trade event stream did not open in time: %w", context.DeadlineExceeded)

// TradeEventsQuery says where the stream begins: after the event SinceID (a ULID), at the time Since, or, when both
// are zero, now. Not both. An event's ULID is not strictly ordered by time: begin some minutes early and expect
// duplicates.
type TradeEventsQuery struct {
	Since   time.Time
	SinceID string
}

func (q TradeEventsQuery) values() (url.Values, error) {
	if q.SinceID != "" && !q.Since.IsZero() {
		return nil, fmt.Errorf("%w: trade events start at Since or SinceID, not both", ErrBadArgument)
	}
	values := url.Values{}
	if q.SinceID != "" {
		values.Set("since_id", q.SinceID)
	}
	if !q.Since.IsZero() {
		values.Set("since", timestamp(q.Since))
	}
	return values, nil
}

// TradeEvents opens the account's trade-event stream and calls handle for each event, one after the other, until the
// context ends (its error), handle fails (that error), or the stream does. It never returns nil and never reconnects.
func (c *Client) TradeEvents(ctx context.Context, cred Credentials, query TradeEventsQuery, handle func(TradeEvent) error) error {
	values, err := query.values()
	if err != nil {
		return err
	}
	if err := cred.validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := call{cred: cred, api: APITrading, method: http.MethodGet, path: tradeEventsPath, query: values}
	response, err := c.openStream(ctx, cancel, r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	return c.readEvents(ctx, cancel, r, response, handle)
}

func (c *Client) openStream(ctx context.Context, cancel context.CancelCauseFunc, r call) (*http.Response, error) {
	spending, spent, err := c.pay(ctx, r)
	if err != nil {
		return nil, err
	}
	started := c.deps.Clock.Now()
	tooLate := time.AfterFunc(c.config.Timeout, func() { cancel(errOpenTimeout) })
	defer tooLate.Stop()
	request := c.request(ctx, r)
	request.Header.Set("Accept", "text/event-stream")
	response, err := c.streams.RoundTrip(request)
	if err != nil {
		return nil, c.log(r, started, 0, lost(r, true, cause(ctx, err)))
	}
	limit := parseRateLimit(r.api, response.Header)
	c.deps.Budget.Answered(ctx, spending, spent, limit, response.StatusCode)
	if response.StatusCode != http.StatusOK {
		defer func() { _ = response.Body.Close() }()
		return nil, c.log(r, started, response.StatusCode, c.refusal(r, response, limit))
	}
	return response, c.log(r, started, response.StatusCode, nil)
}

func (c *Client) readEvents(
	ctx context.Context, cancel context.CancelCauseFunc, r call, response *http.Response, handle func(TradeEvent) error,
) error {
	alive, stop := watch(c.config.StreamIdleTimeout, func() { cancel(ErrStreamIdle) })
	defer stop()
	frames := newFrameReader(response.Body, alive)
	for {
		next, err := frames.next()
		if err != nil {
			return streamFailure(ctx, r, response, err)
		}
		if next.data == nil {
			if err := c.comment(r, next.comment); err != nil {
				return err
			}
			continue
		}
		var event TradeEvent
		if err := decode(next.data, &event); err != nil {
			return fmt.Errorf("%w: %w", ErrMalformedEvent, err)
		}
		stop() // the handler's time is not the peer's silence
		if err := handle(event); err != nil {
			return err
		}
		alive()
	}
}

// comment acts on what Alpaca says beside the events: heartbeats, lost events, and errors before it hangs up.
func (c *Client) comment(r call, text string) error {
	if text == "heartbeat" {
		return nil
	}
	if strings.Contains(text, "dropped") {
		return fmt.Errorf("%w: %s", ErrEventsDropped, text)
	}
	c.deps.Logger.Info("alpaca trade event stream says",
		zap.String("comment", text), zap.String("path", r.path), zap.String("key_id", r.cred.KeyID))
	return nil
}

func streamFailure(ctx context.Context, r call, response *http.Response, err error) error {
	if reason := context.Cause(ctx); reason != nil {
		return reason
	}
	if errors.Is(err, io.EOF) {
		return ErrStreamEnded
	}
	return unusable(r, response, err)
}

// watch calls silent when alive has not been called for limit; 0 is never. alive after stop begins anew.
func watch(limit time.Duration, silent func()) (alive, stop func()) {
	if limit == 0 {
		return func() {}, func() {}
	}
	timer := time.AfterFunc(limit, silent)
	return func() { timer.Reset(limit) }, func() { timer.Stop() }
}
