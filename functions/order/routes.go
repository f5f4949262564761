package order

import (
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// idempotencyHeader is the header of the IETF draft "The Idempotency-Key HTTP Header Field".
const idempotencyHeader = "Idempotency-Key"

func (f *Function) routes() {
	serve.Handle(f.router, serve.Operation{
		ID: "placeStockOrder", Method: http.MethodPost, Path: "/api/v1/stocks/order", Tag: "Orders",
		Summary: "Place a stock order",
		Description: "The order is submitted exactly once. Repeating a request with the same Idempotency-Key or " +
			"client_order_id and the same body answers what the first one got; with another body it is refused.",
		Permission: auth.PermissionTrade, Status: http.StatusCreated,
		Parameters: []serve.Parameter{{
			Name: idempotencyHeader, In: serve.InHeader, Example: "8e03978e-40d5-43e8-bc93-6894a57f9324",
			Description: "1 to 255 visible ASCII characters; the client order ID is derived from it when none is given.",
		}},
		Problems: []*problem.Kind{
			problem.IdempotencyInProgress, problem.IdempotencyMismatch, problem.InsufficientFunds, problem.InvalidSymbol,
			problem.MarketClosed, problem.OrderRejected, problem.RateLimitExceeded, problem.BodyTooLarge,
			problem.UnsupportedMedia, problem.UpstreamFailed, problem.Unavailable, problem.UpstreamTimeout,
		},
	}, f.placeStockOrder)
	serve.Handle(f.router, serve.Operation{
		ID: "listOrders", Method: http.MethodGet, Path: "/api/v1/orders", Tag: "Orders", Summary: "List orders, newest first",
		Permission: auth.PermissionAccountRead,
		Parameters: []serve.Parameter{
			{Name: "status", In: serve.InQuery, Enum: listStatuses(), Description: "open (default), closed, all, or one order status"},
			{Name: "limit", In: serve.InQuery, Description: "1 to 500, default 50", Example: "50"},
			{Name: "symbols", In: serve.InQuery, Description: "comma-separated", Example: "AAPL,MSFT"},
			{Name: "side", In: serve.InQuery, Enum: []string{"buy", "sell"}},
			{Name: "page_token", In: serve.InQuery, Description: "next_page_token of the page before"},
		},
		Problems: upstreamProblems(),
	}, f.listOrders)
	serve.Handle(f.router, serve.Operation{
		ID: "getOrder", Method: http.MethodGet, Path: "/api/v1/orders/{order_id}", Tag: "Orders", Summary: "Read one order",
		Permission: auth.PermissionAccountRead, Parameters: []serve.Parameter{orderIDParameter()},
		Problems: append(upstreamProblems(), problem.OrderNotFound),
	}, f.getOrder)
	serve.Handle(f.router, serve.Operation{
		ID: "getOrderByClientOrderID", Method: http.MethodGet, Path: "/api/v1/orders/by-client-order-id/{client_order_id}",
		Tag: "Orders", Summary: "Read one order by the client's own ID", Permission: auth.PermissionAccountRead,
		Parameters: []serve.Parameter{{Name: "client_order_id", In: serve.InPath}},
		Problems:   append(upstreamProblems(), problem.OrderNotFound),
	}, f.getOrderByClientOrderID)
	serve.Handle(f.router, serve.Operation{
		ID: "cancelOrder", Method: http.MethodDelete, Path: "/api/v1/orders/{order_id}", Tag: "Orders",
		Summary:     "Cancel one order",
		Description: "Answers the order as it is after the request; it may still be pending_cancel, or have filled just before.",
		Permission:  auth.PermissionTrade, Parameters: []serve.Parameter{orderIDParameter()},
		Problems: append(upstreamProblems(), problem.OrderNotFound, problem.OrderRejected),
	}, f.cancelOrder)
	serve.Handle(f.router, serve.Operation{
		ID: "cancelAllOrders", Method: http.MethodDelete, Path: "/api/v1/orders", Tag: "Orders", Summary: "Cancel all open orders",
		Permission: auth.PermissionTrade, Problems: upstreamProblems(),
	}, f.cancelAllOrders)
}

func orderIDParameter() serve.Parameter {
	return serve.Parameter{Name: "order_id", In: serve.InPath, Example: "61e69015-8549-4bfd-b9c3-01e75843f47d"}
}

// upstreamProblems are the ways in which any call to Alpaca can fail.
func upstreamProblems() []*problem.Kind {
	return []*problem.Kind{
		problem.AccountNotFound, problem.RateLimitExceeded, problem.UpstreamFailed, problem.Unavailable, problem.UpstreamTimeout,
	}
}
