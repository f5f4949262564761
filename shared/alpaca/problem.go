package alpaca

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

const defaultRetryAfter = time.Second

// Problem translates an error of this package into the native API's terms; it is the only place that does. Alpaca's
// own message is shown to the caller, bodies and credentials never are. nil gives nil, an error that holds a
// *problem.Error gives that one, and an error of another origin is INTERNAL_ERROR.
func Problem(err error) *problem.Error {
	if err == nil {
		return nil
	}
	var ready *problem.Error
	if errors.As(err, &ready) {
		return ready
	}
	translated := translate(err).Because(err)
	var failed *Error
	if errors.As(err, &failed) {
		addDetails(translated, failed)
	}
	return translated
}

func translate(err error) *problem.Error {
	failed := &Error{}
	_ = errors.As(err, &failed)
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		return problem.UpstreamTimeout.New("Alpaca's answer was lost; whether the request took effect is not known")
	case errors.Is(err, ErrUnavailable):
		return unavailable(err, failed)
	case errors.Is(err, ErrRateLimited):
		return problem.RateLimitExceeded.New("Alpaca's rate limit for this account is used up").With("limit", "alpaca").After(wait(failed))
	case errors.Is(err, ErrUnauthorized):
		return problem.Forbidden.New("Alpaca refused the account's credentials")
	case errors.Is(err, ErrForbidden):
		return problem.Forbidden.New("%s", said(failed, "Alpaca does not allow this account to do that"))
	case errors.Is(err, ErrNotFound):
		return notFound(failed)
	case errors.Is(err, ErrInsufficientFunds):
		return problem.InsufficientFunds.New("%s", said(failed, "insufficient funds"))
	case errors.Is(err, ErrDuplicateClientOrderID):
		return problem.OrderRejected.New("an order with this client_order_id exists already").Field("client_order_id")
	case errors.Is(err, ErrRejected), errors.Is(err, ErrInvalid):
		return refused(err, failed)
	case errors.Is(err, ErrNoClientOrderID):
		return problem.InvalidRequest.New("client_order_id must not be empty").Field("client_order_id")
	case errors.Is(err, ErrBadArgument):
		return problem.InvalidRequest.New("%s", strings.TrimPrefix(err.Error(), ErrBadArgument.Error()+": "))
	case errors.Is(err, context.DeadlineExceeded):
		return problem.UpstreamTimeout.New("Alpaca did not answer in time")
	}
	return problem.Internal.New("internal error")
}

func unavailable(err error, failed *Error) *problem.Error {
	if failed.Status != 0 {
		return problem.UpstreamFailed.New("Alpaca is not able to answer at the moment").After(failed.RetryAfter)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return problem.UpstreamTimeout.New("Alpaca did not answer in time")
	}
	return problem.Unavailable.New("Alpaca can't be reached").After(defaultRetryAfter)
}

func wait(failed *Error) time.Duration {
	if failed.RetryAfter > 0 {
		return failed.RetryAfter
	}
	return defaultRetryAfter
}

func notFound(failed *Error) *problem.Error {
	message := said(failed, "not found")
	switch {
	case strings.HasPrefix(failed.Path, "/v2/orders"):
		return problem.OrderNotFound.New("%s", message)
	case strings.HasPrefix(failed.Path, "/v2/positions"):
		return problem.PositionNotFound.New("%s", message)
	}
	return problem.SymbolNotFound.New("%s", message)
}

// refused tells apart the refusals that share a code by their texts, which come from Alpaca's error catalogue.
func refused(err error, failed *Error) *problem.Error {
	message := said(failed, "Alpaca rejected the request")
	lower := strings.ToLower(message)
	switch {
	case unknownSymbol(lower):
		return problem.InvalidSymbol.New("%s", message).Field("symbol")
	case marketClosed(lower):
		return problem.MarketClosed.New("%s", message)
	case errors.Is(err, ErrInvalid) && failed.Status == 400:
		return problem.InvalidRequest.New("%s", message)
	}
	return problem.OrderRejected.New("%s", message)
}

func unknownSymbol(message string) bool {
	if strings.Contains(message, "invalid symbol") || strings.Contains(message, "symbol not found") {
		return true
	}
	return strings.Contains(message, "not found") &&
		(strings.Contains(message, "asset") || strings.Contains(message, "contract"))
}

func marketClosed(message string) bool {
	for _, text := range []string{"market is closed", "market closed", "market is not open", "during market hours", "orders must be submitted after"} {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}

func said(failed *Error, otherwise string) string {
	if failed.Message == "" {
		return otherwise
	}
	return failed.Message
}

func addDetails(translated *problem.Error, failed *Error) {
	if failed.Code != 0 {
		_ = translated.With("alpaca_code", failed.Code)
	}
	if failed.RequestID != "" {
		_ = translated.With("alpaca_request_id", failed.RequestID)
	}
	for _, amount := range []struct {
		name  string
		value *decimal.Decimal
	}{
		{"required_buying_power", failed.CostBasis},
		{"available_buying_power", failed.BuyingPower},
		{"available_qty", failed.Available},
		{"existing_qty", failed.ExistingQty},
		{"held_for_orders", failed.HeldForOrders},
	} {
		if amount.value != nil {
			_ = translated.With(amount.name, decimal.Number{Decimal: *amount.value})
		}
	}
	for _, text := range []struct{ name, value string }{
		{"symbol", failed.Symbol}, {"reject_reason", failed.RejectReason}, {"existing_order_id", failed.ExistingOrderID},
	} {
		if text.value != "" {
			_ = translated.With(text.name, text.value)
		}
	}
	if len(failed.RelatedOrders) > 0 {
		_ = translated.With("related_orders", failed.RelatedOrders)
	}
}
