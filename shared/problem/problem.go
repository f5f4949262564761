// Package problem holds every way in which a request can fail, once: its stable code, its HTTP status, a
// message for the caller and, apart from it, a cause for the log.
package problem

import (
	"errors"
	"fmt"
	"time"
)

// Kind is the sentinel of one meaning: compare with errors.Is(err, problem.OrderNotFound). Two kinds may share
// a code where one code is answered with several statuses.
type Kind struct {
	code   string
	status int
}

// Code returns the stable error code, for example "INVALID_REQUEST".
func (k *Kind) Code() string { return k.code }

// Status returns the HTTP status the kind is answered with. This is the only mapping of errors to HTTP.
func (k *Kind) Status() int { return k.status }

// Error makes a Kind usable with errors.Is.
func (k *Kind) Error() string { return k.code }

// New returns an Error of this kind with a message that the caller may see.
func (k *Kind) New(format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Error is one failure. Message, Details and RetryAfter are public; Cause goes to the log only.
type Error struct {
	Kind       *Kind
	Message    string
	Details    map[string]any
	RetryAfter time.Duration
	Cause      error
}

// Error returns the text for logs, cause included.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind.code, e.Message, e.Cause)
	}
	return e.Kind.code + ": " + e.Message
}

// Unwrap lets errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause != nil {
		return []error{e.Kind, e.Cause}
	}
	return []error{e.Kind}
}

// With adds one public detail and returns e. It must not be called on an Error that is already shared.
func (e *Error) With(key string, value any) *Error {
	if e.Details == nil {
		e.Details = make(map[string]any, 2)
	}
	e.Details[key] = value
	return e
}

// Field is With("field", name): which part of the input is at fault.
func (e *Error) Field(name string) *Error { return e.With("field", name) }

// Because sets the private cause and returns e.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// After sets how long the caller should wait before trying again (the Retry-After header) and returns e.
func (e *Error) After(wait time.Duration) *Error {
	e.RetryAfter = wait
	return e
}

// From returns the *Error in err's chain, or an INTERNAL_ERROR that hides err from the caller.
func From(err error) *Error {
	var found *Error
	if errors.As(err, &found) {
		return found
	}
	return Internal.New("internal error").Because(err)
}
