package order

import (
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

func (f *Function) routes() {
	f.placeRoutes()
	f.changeRoutes()
	f.closeRoutes()
	serve.Handle(f.router, serve.Operation{
		ID: "listOrders", Method: http.MethodGet, Path: "/api/v1/orders", Tag: "Orders", Summary: "List orders, newest first",
		Permission: auth.PermissionAccountRead,
		Parameters: []serve.Parameter{
			{Name: "status", In: serve.InQuery, Enum: listStatuses(), Description: "open (default), closed, all, or one order status"},
			{Name: "symbols", In: serve.InQuery, Description: "comma-separated, at most 100", Example: "AAPL,BTC/USD"},
			{Name: "side", In: serve.InQuery, Enum: []string{alpaca.SideBuy, alpaca.SideSell}},
			{Name: "asset_class", In: serve.InQuery, Description: "comma-separated: us_equity, us_option, crypto", Example: "us_equity"},
			{Name: "after", In: serve.InQuery, Description: "submitted after this time or date, exclusive", Example: "2026-11-25T14:30:00Z"},
			{Name: "until", In: serve.InQuery, Description: "submitted before this time or date, exclusive", Example: "2026-11-26"},
			{Name: "direction", In: serve.InQuery, Enum: []string{descending, ascending}, Description: "by submission time; desc by default"},
			{Name: "limit", In: serve.InQuery, Description: "1 to 500, default 50", Example: "50"},
			{Name: "nested", In: serve.InQuery, Enum: []string{"true", "false"}, Description: "legs under their parent (default) or as orders of their own"},
			{Name: "page_token", In: serve.InQuery, Description: "next_page_token of the page before, with the same other parameters"},
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
