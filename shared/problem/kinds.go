package problem

import "net/http"

// The kinds, in the order of their status. The codes are part of the public API and never change; they are
// documented in every function's OpenAPI document.
var (
	InvalidRequest   = &Kind{"INVALID_REQUEST", http.StatusBadRequest}
	InvalidToken     = &Kind{"INVALID_TOKEN", http.StatusUnauthorized}
	Forbidden        = &Kind{"FORBIDDEN", http.StatusForbidden}
	AccountNotFound  = &Kind{"ACCOUNT_NOT_FOUND", http.StatusNotFound}
	OrderNotFound    = &Kind{"ORDER_NOT_FOUND", http.StatusNotFound}
	SymbolNotFound   = &Kind{"SYMBOL_NOT_FOUND", http.StatusNotFound}
	PositionNotFound = &Kind{"POSITION_NOT_FOUND", http.StatusNotFound}
	EndpointNotFound = &Kind{"ENDPOINT_NOT_FOUND", http.StatusNotFound}
	// DeadLetterNotFound: no dead letter has this ID, or it was replayed or deleted.
	DeadLetterNotFound = &Kind{"DEAD_LETTER_NOT_FOUND", http.StatusNotFound}
	MethodNotAllowed   = &Kind{"METHOD_NOT_ALLOWED", http.StatusMethodNotAllowed}
	// IdempotencyInProgress: the first request with this key has no answer yet.
	IdempotencyInProgress = &Kind{"IDEMPOTENCY_CONFLICT", http.StatusConflict}
	// BodyTooLarge: the request body is over the limit.
	BodyTooLarge = &Kind{"INVALID_REQUEST", http.StatusRequestEntityTooLarge}
	// UnsupportedMedia: the body is not of a type that the endpoint reads.
	UnsupportedMedia = &Kind{"INVALID_REQUEST", http.StatusUnsupportedMediaType}
	// IdempotencyMismatch: this key was used with another body.
	IdempotencyMismatch = &Kind{"IDEMPOTENCY_CONFLICT", http.StatusUnprocessableEntity}
	InsufficientFunds   = &Kind{"INSUFFICIENT_FUNDS", http.StatusUnprocessableEntity}
	InvalidSymbol       = &Kind{"INVALID_SYMBOL", http.StatusUnprocessableEntity}
	MarketClosed        = &Kind{"MARKET_CLOSED", http.StatusUnprocessableEntity}
	OrderRejected       = &Kind{"ORDER_REJECTED", http.StatusUnprocessableEntity}
	RiskLimit           = &Kind{"RISK_LIMIT", http.StatusUnprocessableEntity}
	RateLimitExceeded   = &Kind{"RATE_LIMIT_EXCEEDED", http.StatusTooManyRequests}
	Internal            = &Kind{"INTERNAL_ERROR", http.StatusInternalServerError}
	// UpstreamFailed: Alpaca answered something that is not an answer.
	UpstreamFailed = &Kind{"UPSTREAM_UNAVAILABLE", http.StatusBadGateway}
	// Unavailable: a dependency (Alpaca, Redis) can't be reached or refuses for now.
	Unavailable = &Kind{"UPSTREAM_UNAVAILABLE", http.StatusServiceUnavailable}
	// UpstreamTimeout: Alpaca did not answer in time; what became of the request is not known.
	UpstreamTimeout = &Kind{"UPSTREAM_UNAVAILABLE", http.StatusGatewayTimeout}
)

// Kinds returns every kind, for documentation and tests.
func Kinds() []*Kind {
	return []*Kind{
		InvalidRequest, InvalidToken, Forbidden, AccountNotFound, OrderNotFound, SymbolNotFound, PositionNotFound,
		EndpointNotFound, DeadLetterNotFound, MethodNotAllowed, IdempotencyInProgress, BodyTooLarge, UnsupportedMedia, IdempotencyMismatch,
		InsufficientFunds, InvalidSymbol, MarketClosed, OrderRejected, RiskLimit, RateLimitExceeded, Internal,
		UpstreamFailed, Unavailable, UpstreamTimeout,
	}
}
