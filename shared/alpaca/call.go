package alpaca

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
)

const (
	userAgent     = "opitios-alpaca"
	retryPause    = 50 * time.Millisecond
	maxErrorBytes = 64 << 10
)

// call is one request to one of the two APIs. path is escaped already.
type call struct {
	cred   Credentials
	api    string
	method string
	path   string
	query  url.Values
	body   any
}

// changes reports whether the call may change something at Alpaca.
func (r call) changes() bool { return r.method != http.MethodGet }

// do performs the call within its deadline and decodes the answer into result, unless that is nil. A read is
// repeated once after a reset or a 502, 503 or 504; everything else is sent at most once.
func (c *Client) do(ctx context.Context, r call, result any) error {
	if err := r.cred.validate(); err != nil {
		return err
	}
	var payload []byte
	if r.body != nil {
		var err error
		if payload, err = json.Marshal(r.body); err != nil {
			return fmt.Errorf("alpaca: encode %s %s: %w", r.method, r.path, err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	err := c.attempt(ctx, r, payload, result)
	if err == nil || r.changes() || !worthRepeating(err) || !pause(ctx, err) {
		return err
	}
	return c.attempt(ctx, r, payload, result)
}

func (c *Client) attempt(ctx context.Context, r call, payload []byte, result any) error {
	spending, spent, err := c.pay(ctx, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	track := &sending{}
	request := c.request(track.follow(ctx, cancel), r)
	if payload != nil {
		track.body = newOnceBody(payload)
		request.Body, request.ContentLength = track.body, int64(len(payload))
		request.Header.Set("Content-Type", "application/json")
	}
	started := c.deps.Clock.Now()
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return c.log(r, started, 0, lost(r, track.impossible(), cause(ctx, err)))
	}
	defer func() { _ = response.Body.Close() }()
	limit := parseRateLimit(r.api, response.Header)
	c.deps.Budget.Answered(ctx, spending, spent, limit, response.StatusCode)
	return c.log(r, started, response.StatusCode, c.answer(ctx, r, response, limit, result))
}

// request builds the request without its body. The URL is put together by hand because the base is known to be good.
func (c *Client) request(ctx context.Context, r call) *http.Request {
	target := *c.trading
	if r.api == APIData {
		target = *c.data
	}
	target.Path, target.RawPath = r.path, ""
	if plain, err := url.PathUnescape(r.path); err == nil && plain != r.path {
		target.Path, target.RawPath = plain, r.path
	}
	target.RawQuery = r.query.Encode()
	request := &http.Request{
		Method: r.method, URL: &target, Host: target.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"Apca-Api-Key-Id":     {r.cred.KeyID},
			"Apca-Api-Secret-Key": {r.cred.SecretKey},
			"Accept":              {"application/json"},
			"User-Agent":          {userAgent},
		},
	}
	return request.WithContext(withOpener(ctx, r.cred.AccountID))
}

func (c *Client) answer(ctx context.Context, r call, response *http.Response, limit RateLimit, result any) error {
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return c.refusal(r, response, limit)
	}
	body, err := readBounded(response.Body, c.config.MaxResponseBytes, response.ContentLength)
	if err != nil {
		return unusable(r, response, cause(ctx, err))
	}
	if result == nil {
		return nil
	}
	if err := decode(body, result); err != nil {
		return unusable(r, response, err)
	}
	return nil
}

// log writes one debug line a request and returns err. Neither the query nor a body is logged.
func (c *Client) log(r call, started time.Time, status int, err error) error {
	entry := c.deps.Logger.Check(zap.DebugLevel, "alpaca request")
	if entry == nil {
		return err
	}
	entry.Write(
		zap.String("method", r.method), zap.String("path", r.path), zap.String("key_id", r.cred.KeyID),
		zap.Int("status", status), zap.Int64("microseconds", c.deps.Clock.Now().Sub(started).Microseconds()),
		zap.Error(err),
	)
	return err
}

// cause prefers why a context ended to the transport's account of it.
func cause(ctx context.Context, err error) error {
	if reason := context.Cause(ctx); reason != nil {
		return reason
	}
	return err
}

// worthRepeating reports that a read failed in a way that the next connection or the next server may not.
func worthRepeating(err error) bool {
	var failed *Error
	if !errors.As(err, &failed) {
		return false
	}
	switch failed.Status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return failed.RetryAfter == 0
	}
	return connectionLost(err)
}

func connectionLost(err error) bool {
	for _, sign := range []error{syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, sign) {
			return true
		}
	}
	// net/http keeps the type of this one to itself.
	return strings.Contains(err.Error(), "server closed idle connection")
}

// pause waits a moment for an overloaded server, not at all after a reset. It reports whether there still is time.
func pause(ctx context.Context, err error) bool {
	if connectionLost(err) {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
