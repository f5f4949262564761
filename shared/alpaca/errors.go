package alpaca

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// What an error means; compare with errors.Is.
var (
	// ErrNotFound: Alpaca itself says that the order, position, asset or symbol does not exist. The 404 of a proxy
	// or of a wrong path is ErrUnavailable, because it proves nothing.
	ErrNotFound = errors.New("alpaca: not found")
	// ErrUnauthorized: the credentials were refused (401).
	ErrUnauthorized = errors.New("alpaca: credentials refused")
	// ErrForbidden: the account may not do this at all (403 that is no business refusal), for example its data plan.
	ErrForbidden = errors.New("alpaca: forbidden")
	// ErrRateLimited: 429; nothing was executed. Error.RetryAfter says how long to wait, when known.
	ErrRateLimited = errors.New("alpaca: rate limited")
	// ErrRejected: a business rule refused the request (403 and 422); nothing was executed.
	ErrRejected = errors.New("alpaca: rejected")
	// ErrInsufficientFunds: buying power or cash is short; it is ErrRejected too.
	ErrInsufficientFunds = errors.New("alpaca: insufficient funds")
	// ErrDuplicateClientOrderID: an order with this client order ID exists, so an earlier submit arrived.
	ErrDuplicateClientOrderID = errors.New("alpaca: client order ID was used before")
	// ErrInvalid: the request is malformed (400, or 422 with code 40010001); nothing was executed.
	ErrInvalid = errors.New("alpaca: invalid request")
	// ErrUnavailable: Alpaca gave no usable answer and nothing was changed: the request was a read or was never sent.
	ErrUnavailable = errors.New("alpaca: unavailable")
	// ErrOutcomeUnknown: the request may have been executed or not, the answer is lost (timeout, reset, 5xx, broken
	// body, also that of a 403, 409 or 422, which mean different things). Look the order up before doing anything else. Never together with ErrUnavailable.
	ErrOutcomeUnknown = errors.New("alpaca: outcome unknown")
	// ErrNoClientOrderID: PlaceOrder refused an order without a client order ID, which could not be looked up when
	// the answer gets lost. Nothing was sent.
	ErrNoClientOrderID = errors.New("alpaca: an order needs a client order ID")
	// ErrBadArgument: an argument can't be part of a request, for example an empty order ID. Nothing was sent.
	ErrBadArgument = errors.New("alpaca: bad argument")
)

// Error is a call that failed after it was started. Status, Code and Message are Alpaca's and are 0 and empty when
// there was no answer. The fields from BuyingPower on are set when Alpaca sent them.
type Error struct {
	Status        int
	Code          int
	Message       string
	RequestID     string
	Method, Path  string
	RateLimit     RateLimit
	RetryAfter    time.Duration
	BuyingPower   *decimal.Decimal // USD available
	CostBasis     *decimal.Decimal // USD that the order needs
	Available     *decimal.Decimal // quantity that is free
	ExistingQty   *decimal.Decimal
	HeldForOrders *decimal.Decimal
	RelatedOrders []string
	// ExistingOrderID is the opposite order of a potential wash trade.
	ExistingOrderID string
	RejectReason    string
	Symbol          string

	kinds []error
	cause error
}

// Error describes the failure for logs. It holds no secret, no query and no raw body.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "alpaca: %s %s:", e.Method, e.Path)
	if e.Status != 0 {
		fmt.Fprintf(&text, " status %d", e.Status)
	}
	if e.Code != 0 {
		fmt.Fprintf(&text, " code %d", e.Code)
	}
	if e.Message != "" {
		fmt.Fprintf(&text, " %q", e.Message)
	}
	for _, kind := range e.kinds {
		fmt.Fprintf(&text, " (%s)", strings.TrimPrefix(kind.Error(), "alpaca: "))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&text, " request ID %s", e.RequestID)
	}
	if e.cause != nil {
		fmt.Fprintf(&text, ": %v", e.cause)
	}
	return text.String()
}

// Unwrap lets errors.Is find the meanings and the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return e.kinds
	}
	return append(e.kinds[:len(e.kinds):len(e.kinds)], e.cause)
}

// noAnswer is the meaning of a lost or unusable answer.
func noAnswer(r call, impossible bool) []error {
	if r.changes() && !impossible {
		return []error{ErrOutcomeUnknown}
	}
	return []error{ErrUnavailable}
}
