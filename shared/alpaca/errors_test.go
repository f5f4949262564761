package alpaca

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

var sentinels = []error{
	ErrNotFound, ErrUnauthorized, ErrForbidden, ErrRateLimited, ErrRejected, ErrInsufficientFunds,
	ErrDuplicateClientOrderID, ErrInvalid, ErrUnavailable, ErrOutcomeUnknown,
}

// TestRefusals covers Alpaca's catalogue of errors: what each means here, and what the native API's caller is told.
func TestRefusals(t *testing.T) {
	t.Parallel()
	byID := func(ctx context.Context, c *Client) error {
		return second(c.OrderByClientOrderID(ctx, testCredentials, "c-1"))
	}
	position := func(ctx context.Context, c *Client) error { return second(c.Position(ctx, testCredentials, "AAPL")) }
	asset := func(ctx context.Context, c *Client) error { return second(c.Asset(ctx, testCredentials, "NOPE")) }
	quotes := func(ctx context.Context, c *Client) error {
		return second(c.LatestQuotes(ctx, testCredentials, []string{"AAPL"}, "sip"))
	}
	for _, test := range []struct {
		name    string
		status  int
		body    string
		call    func(context.Context, *Client) error
		want    []error
		kind    *problem.Kind
		details string
	}{
		{"buying power", 403, `{"buying_power":"100.5","code":40310000,"cost_basis":"2000","message":"insufficient buying power"}`, place,
			[]error{ErrRejected, ErrInsufficientFunds}, problem.InsufficientFunds,
			`{"alpaca_code":40310000,"available_buying_power":100.5,"required_buying_power":2000}`},
		{"options buying power", 403, `{"code":40310000,"cost_basis":"300","message":"insufficient options buying power","options_buying_power":"1"}`, place,
			[]error{ErrRejected, ErrInsufficientFunds}, problem.InsufficientFunds,
			`{"alpaca_code":40310000,"available_buying_power":1,"required_buying_power":300}`},
		{"crypto balance", 403, `{"code":40310000,"message":"insufficient balance for ETH (requested: 1, available: 0.5)"}`, place,
			[]error{ErrRejected, ErrInsufficientFunds}, problem.InsufficientFunds, `{"alpaca_code":40310000}`},
		{"quantity", 403, `{"available":"0.92623498","code":40310000,"existing_qty":"1","held_for_orders":"0.07376502","message":"insufficient qty available for order (requested: 1, available: 0.92623498)","related_orders":["o-1"],"symbol":"AAPL"}`, place,
			[]error{ErrRejected}, problem.OrderRejected,
			`{"alpaca_code":40310000,"available_qty":0.92623498,"existing_qty":1,"held_for_orders":0.07376502,"related_orders":["o-1"],"symbol":"AAPL"}`},
		{"wash trade", 403, `{"code":40310000,"existing_order_id":"o-2","message":"potential wash trade detected. use complex orders","reject_reason":"opposite side limit order exists"}`, place,
			[]error{ErrRejected}, problem.OrderRejected,
			`{"alpaca_code":40310000,"existing_order_id":"o-2","reject_reason":"opposite side limit order exists"}`},
		{"duplicate", 422, `{"code":40010001,"message":"client_order_id must be unique"}`, place,
			[]error{ErrDuplicateClientOrderID}, problem.OrderRejected, `{"alpaca_code":40010001,"field":"client_order_id"}`},
		{"malformed", 422, `{"code":40010001,"message":"qty must be > 0"}`, place, []error{ErrInvalid}, problem.OrderRejected, `{"alpaca_code":40010001}`},
		{"unreadable", 400, `{"code":40010000,"message":"request body format is invalid"}`, place, []error{ErrInvalid}, problem.InvalidRequest, `{"alpaca_code":40010000}`},
		{"unknown asset", 422, `{"code":42210000,"message":"asset \"NOPE\" not found"}`, place, []error{ErrRejected}, problem.InvalidSymbol, `{"alpaca_code":42210000,"field":"symbol"}`},
		{"market closed", 422, `{"code":42210000,"message":"options market orders are only allowed during market hours"}`, place, []error{ErrRejected}, problem.MarketClosed, `{"alpaca_code":42210000}`},
		{"too late for the auction", 403, `{"code":40310000,"message":"opg orders must be submitted after 7:00pm and before 9:28am"}`, place, []error{ErrRejected}, problem.MarketClosed, `{"alpaca_code":40310000}`},
		{"already filled", 422, `{"code":42210000,"message":"order is already in \"filled\" state"}`, writes["cancel"], []error{ErrRejected}, problem.OrderRejected, `{"alpaca_code":42210000}`},
		{"no such order", 404, `{"code":40410000,"message":"order not found for c-1"}`, byID, []error{ErrNotFound}, problem.OrderNotFound, `{"alpaca_code":40410000}`},
		{"no such position", 404, `{"code":40410000,"message":"position does not exist"}`, position, []error{ErrNotFound}, problem.PositionNotFound, `{"alpaca_code":40410000}`},
		{"no such asset", 404, `{"code":40410000,"message":"asset not found for NOPE"}`, asset, []error{ErrNotFound}, problem.SymbolNotFound, `{"alpaca_code":40410000}`},
		{"a proxy's 404", 404, `<html>404</html>`, byID, []error{ErrUnavailable}, problem.UpstreamFailed, `null`},
		{"a gateway's 404", 404, `{"message":"no Route matched"}`, byID, []error{ErrUnavailable}, problem.UpstreamFailed, `null`},
		{"wrong path", 404, `{"code":40410000,"message":"endpoint not found"}`, byID, []error{ErrUnavailable}, problem.UpstreamFailed, `{"alpaca_code":40410000}`},
		{"credentials", 401, `{"message": "unauthorized."}`, account, []error{ErrUnauthorized}, problem.Forbidden, `null`},
		{"credentials, HTML", 401, `<html>401 Authorization Required</html>`, place, []error{ErrUnauthorized}, problem.Forbidden, `null`},
		{"forbidden", 403, `{"message":"forbidden."}`, place, []error{ErrForbidden}, problem.Forbidden, `null`},
		{"data plan", 403, `{"code":42210000,"message":"subscription does not permit querying recent SIP data"}`, quotes, []error{ErrForbidden}, problem.Forbidden, `{"alpaca_code":42210000}`},
		{"data symbol", 400, `{"message":"invalid symbol: A$"}`, quotes, []error{ErrInvalid}, problem.InvalidSymbol, `{"field":"symbol"}`},
		{"rate limit", 429, `{"message": "too many requests."}`, place, []error{ErrRateLimited}, problem.RateLimitExceeded, `{"limit":"alpaca"}`},
		{"lost write", 504, `<html>`, place, []error{ErrOutcomeUnknown}, problem.UpstreamTimeout, `null`},
		{"read of a broken server", 500, `{"code":50010000,"message":"internal server error occurred"}`, account, []error{ErrUnavailable}, problem.UpstreamFailed, `{"alpaca_code":50010000}`},
		{"fields of wrong types", 422, `{"code":"42210000","message":["x"],"buying_power":{},"related_orders":7}`, place, []error{ErrRejected}, problem.OrderRejected, `{"alpaca_code":42210000}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := startUpstream(t, answering(test.status, test.body))
			err := test.call(t.Context(), up.client(t))
			for _, sentinel := range sentinels {
				if want := slices.Contains(test.want, sentinel); errors.Is(err, sentinel) != want {
					t.Errorf("errors.Is(%v, %v) = %t", err, sentinel, !want)
				}
			}
			var failed *Error
			if !errors.As(err, &failed) || failed.Status != test.status {
				t.Errorf("error = %#v, want status %d", err, test.status)
			}
			translated := Problem(fmt.Errorf("wrapped: %w", err))
			details, _ := json.Marshal(translated.Details)
			if translated.Kind != test.kind || string(details) != test.details {
				t.Errorf("problem = %v with %s, want %v with %s", translated, details, test.kind, test.details)
			}
			if strings.Contains(translated.Message, "<") || translated.Message == "" {
				t.Errorf("message = %q", translated.Message)
			}
		})
	}
}

func TestProblemOfOtherErrors(t *testing.T) {
	t.Parallel()
	if got := Problem(nil); got != nil {
		t.Errorf("Problem(nil) = %v", got)
	}
	ready := problem.RiskLimit.New("too large")
	if got := Problem(fmt.Errorf("wrapped: %w", ready)); got != ready {
		t.Errorf("a problem became %v", got)
	}
	for name, test := range map[string]struct {
		err  error
		want *problem.Kind
	}{
		"no client order ID": {ErrNoClientOrderID, problem.InvalidRequest},
		"bad argument":       {fmt.Errorf("%w: symbol", ErrBadArgument), problem.InvalidRequest},
		"not connected":      {lost(call{method: "GET"}, true, errors.New("connection refused")), problem.Unavailable},
		"slow read":          {lost(call{method: "GET"}, true, context.DeadlineExceeded), problem.UpstreamTimeout},
		"bare deadline":      {context.DeadlineExceeded, problem.UpstreamTimeout},
		"foreign":            {errors.New("disk full"), problem.Internal},
	} {
		if got := Problem(test.err); got.Kind != test.want || !errors.Is(got, test.err) {
			t.Errorf("%s: Problem = %v, want %v", name, got, test.want)
		}
	}
	limited := &Error{kinds: []error{ErrRateLimited}}
	if got := Problem(limited).RetryAfter; got != defaultRetryAfter {
		t.Errorf("wait without a hint = %s", got)
	}
	limited.RetryAfter = 7 * time.Second
	if got := Problem(limited).RetryAfter; got != 7*time.Second {
		t.Errorf("wait = %s, want Alpaca's", got)
	}
}

func FuzzErrorBody(f *testing.F) {
	f.Add([]byte(`{"code":40310000,"message":"insufficient buying power","buying_power":"1","cost_basis":2}`), 403)
	f.Add([]byte(`<html>`), 502)
	f.Add([]byte(`{"message":"`+testSecret+`","related_orders":["a"]}`), 422)
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		failed := &Error{Status: status, Method: "POST", Path: "/v2/orders"}
		parsed := failed.fill(body, testSecret)
		failed.kinds = classify(call{method: "POST", path: "/v2/orders", api: APITrading}, failed, parsed)
		if len(failed.kinds) == 0 {
			t.Fatal("an error without meaning")
		}
		translated := Problem(failed)
		if _, err := json.Marshal(translated.Details); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{failed.Error(), translated.Message} {
			if strings.Contains(text, testSecret) || len(text) > 4*maxMessage+1000 {
				t.Fatalf("unfit for a log: %q", text)
			}
		}
	})
}
