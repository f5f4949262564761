package alpaca

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

var (
	errIncomplete = errors.New("answer lacks what identifies it")
	errRedirect   = errors.New("answer is a redirect, which is not followed")
	errNotAlpaca  = errors.New("answer is not one of Alpaca's")
)

// identified is a result that is useless without its identity; its absence means that the body is not what was
// asked for, however well-formed it is.
type identified interface{ identity() string }

func (o *Order) identity() string    { return o.ID }
func (a *Account) identity() string  { return a.ID }
func (a *Asset) identity() string    { return a.ID }
func (p *Position) identity() string { return p.Symbol }

func (o *OptionContract) identity() string { return o.ID }

// decode reads the body of a successful answer.
func decode(body []byte, result any) error {
	if bytes.Equal(bytes.TrimSpace(body), []byte("null")) {
		return errIncomplete
	}
	err := json.Unmarshal(body, result)
	if err != nil {
		if body = shortenDecimals(body); body != nil {
			err = json.Unmarshal(body, result)
		}
	}
	if err != nil {
		return fmt.Errorf("decode answer: %w", withoutContent(err))
	}
	if object, ok := result.(identified); ok && object.identity() == "" {
		return errIncomplete
	}
	return nil
}

// withoutContent keeps the body's text out of decoding errors.
func withoutContent(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("JSON syntax error at byte %d", syntax.Offset)
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("JSON type mismatch at byte %d, field %q", mismatch.Offset, mismatch.Field)
	}
	return errors.New("a field has an unreadable value")
}

// lost is the failure of a call that got no answer at all.
func lost(r call, impossible bool, reason error) *Error {
	return &Error{Method: r.method, Path: r.path, kinds: noAnswer(r, impossible), cause: reason}
}

// unusable is the failure of a call whose successful answer can't be read.
func unusable(r call, response *http.Response, reason error) *Error {
	return &Error{
		Method: r.method, Path: r.path, Status: response.StatusCode, RequestID: requestID(response),
		kinds: noAnswer(r, false), cause: reason,
	}
}

// refusal is the failure of a call that was answered with anything but 2xx.
func (c *Client) refusal(r call, response *http.Response, limit RateLimit) *Error {
	body, _ := readBounded(response.Body, maxErrorBytes, response.ContentLength)
	failed := &Error{
		Status: response.StatusCode, RequestID: requestID(response), Method: r.method, Path: r.path, RateLimit: limit,
	}
	parsed := failed.fill(body, r.cred.SecretKey)
	failed.RetryAfter = retryAfter(response.Header, c.deps.Clock.Now())
	if failed.Status == http.StatusTooManyRequests && failed.RetryAfter == 0 {
		failed.RetryAfter = untilReset(limit, c.deps.Clock.Now())
	}
	failed.kinds = classify(r, failed, parsed)
	if failed.Status < http.StatusBadRequest {
		failed.cause = errRedirect
	} else if !parsed {
		failed.cause = fmt.Errorf("%w: %d bytes that are no JSON object", errNotAlpaca, len(body))
	}
	return failed
}

func requestID(response *http.Response) string {
	return printable(response.Header.Get("X-Request-Id"), maxRequestID)
}

// classify gives an error status its meaning. HTTP status and code are stable, Alpaca says; messages are consulted
// only where the code is shared by several meanings.
func classify(r call, failed *Error, parsed bool) []error {
	message := strings.ToLower(failed.Message)
	if !parsed && r.changes() && needsWords(failed.Status) {
		return noAnswer(r, false)
	}
	switch failed.Status {
	case http.StatusUnauthorized:
		return []error{ErrUnauthorized}
	case http.StatusForbidden:
		return classifyForbidden(failed, message)
	case http.StatusNotFound:
		return classifyNotFound(r, failed, parsed, message)
	case http.StatusTooManyRequests:
		return []error{ErrRateLimited}
	case http.StatusRequestTimeout:
		return noAnswer(r, false)
	case http.StatusConflict, http.StatusUnprocessableEntity:
		return classifyUnprocessable(failed, message)
	}
	if failed.Status >= 400 && failed.Status < 500 {
		return []error{ErrInvalid}
	}
	return noAnswer(r, false)
}

// needsWords reports whether a status alone leaves open what became of a change: with these three Alpaca says in the body why it refused,
// and one of the reasons is that the order exists already. A proxy answers 403 in its own name too.
func needsWords(status int) bool {
	return status == http.StatusForbidden || status == http.StatusConflict || status == http.StatusUnprocessableEntity
}

func classifyForbidden(failed *Error, message string) []error {
	if failed.Code/10000 != codeForbidden {
		return []error{ErrForbidden}
	}
	for _, text := range []string{"buying power", "insufficient balance", "insufficient cash"} {
		if strings.Contains(message, text) {
			return []error{ErrInsufficientFunds, ErrRejected}
		}
	}
	return []error{ErrRejected}
}

// classifyNotFound accepts only Alpaca's own word that something doesn't exist, because a submit is repeated on the
// strength of it: the trading API says so with a code, the data API with a message.
func classifyNotFound(r call, failed *Error, parsed bool, message string) []error {
	own := failed.Code != 0 || (parsed && r.api == APIData && message != "")
	if !own || strings.Contains(message, "endpoint not found") {
		return []error{ErrUnavailable}
	}
	return []error{ErrNotFound}
}

func classifyUnprocessable(failed *Error, message string) []error {
	if strings.Contains(message, "client_order_id must be unique") {
		return []error{ErrDuplicateClientOrderID}
	}
	if failed.Code == codeInvalid {
		return []error{ErrInvalid}
	}
	return []error{ErrRejected}
}
