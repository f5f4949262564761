package order

import (
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// placeRoutes are the ways to place an order, one for each asset class.
func (f *Function) placeRoutes() {
	for _, class := range []struct{ id, path, assetClass, what, rules string }{
		{"placeStockOrder", "/api/v1/stocks/order", event.AssetClassUSEquity, "a stock order", "Types market, limit, stop, stop_limit and " +
			"trailing_stop; classes simple, bracket, oco and oto. Fractions and notional: simple day orders."},
		{"placeOptionOrder", "/api/v1/options/order", event.AssetClassUSOption, "an option order", "One contract by its OCC symbol (types " +
			"market, limit, stop and stop_limit), or 2 to 4 legs with order_class mleg (market and limit; a negative limit_price is a " +
			"credit). Whole contracts; day or gtc."},
		{"placeCryptoOrder", "/api/v1/crypto/order", event.AssetClassCrypto, "a crypto order", "Types market, limit and stop_limit; gtc " +
			"(default) or ioc."},
	} {
		serve.Handle(f.router, serve.Operation{
			ID: class.id, Method: http.MethodPost, Path: class.path, Tag: "Orders", Summary: "Place " + class.what,
			Description: class.rules + " The order is submitted exactly once: repeating a request with the same Idempotency-Key or " +
				"client_order_id and the same body answers what the first one got; with another body it is refused.",
			Permission: auth.PermissionTrade, Status: http.StatusCreated,
			Parameters: []serve.Parameter{idempotencyParameter(), {
				Name: validateParameter, In: serve.InQuery, Enum: []string{"true", "false"},
				Description: "true for a dry run: every check, nothing sent; answers 200 with what would happen, or fails as the order would",
			}},
			Data: order.Order{}, Also: []serve.Answered{{Status: http.StatusOK, Data: DryRun{}}},
			Problems: append(orderProblems(), problem.InvalidSymbol),
		}, f.placeOrder(class.assetClass))
	}
}

// changeRoutes replace and cancel orders.
func (f *Function) changeRoutes() {
	serve.Handle(f.router, serve.Operation{
		ID: "replaceOrder", Method: http.MethodPatch, Path: "/api/v1/orders/{order_id}", Tag: "Orders", Summary: "Replace an open order",
		Description: "Answers the new order, whose replaces is the old one's ID; what is not given stays as it is. Replaced exactly " +
			"once, like placing. The new order may still be rejected when the old one fills first: its event tells.",
		Permission: auth.PermissionTrade, Parameters: []serve.Parameter{orderIDParameter(), idempotencyParameter()},
		Problems: append(orderProblems(), problem.OrderNotFound),
	}, f.replaceOrder)
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

// closeRoutes close positions.
func (f *Function) closeRoutes() {
	cancelOrders := serve.Parameter{
		Name: "cancel_orders", In: serve.InQuery, Enum: []string{"true", "false"},
		Description: "first cancel the open orders, which hold what is to be closed, and wait until they are gone",
	}
	serve.Handle(f.router, serve.Operation{
		ID: "closePosition", Method: http.MethodDelete, Path: "/api/v1/positions/{symbol}", Tag: "Positions", Summary: "Close one position",
		Description: "Places the market order that closes the position, or the part of it that qty or percentage says, and answers " +
			"that order. With an Idempotency-Key a repeat answers the same order; it never opens a position on the other side.",
		Permission: auth.PermissionTrade,
		Parameters: []serve.Parameter{
			{Name: "symbol", In: serve.InPath, Example: "AAPL", Description: "a ticker, an OCC option symbol, or a crypto pair with or without its slash"},
			{Name: "qty", In: serve.InQuery, Description: "shares, contracts or coins to close", Example: "10"},
			{Name: "percentage", In: serve.InQuery, Description: "above 0 to 100; whole shares unless the position is fractional", Example: "50"},
			cancelOrders, idempotencyParameter(),
		},
		Problems: append(orderProblems(), problem.PositionNotFound),
	}, f.closePosition)
	serve.Handle(f.router, serve.Operation{
		ID: "closeAllPositions", Method: http.MethodDelete, Path: "/api/v1/positions", Tag: "Positions", Summary: "Close all positions",
		Description: "Closes each position as closing it alone does, and answers what became of each.",
		Permission:  auth.PermissionTrade, Parameters: []serve.Parameter{cancelOrders, idempotencyParameter()},
		Problems: orderProblems(),
	}, f.closeAllPositions)
}

func idempotencyParameter() serve.Parameter {
	return serve.Parameter{
		Name: idempotencyHeader, In: serve.InHeader, Example: `"8e03978e-40d5-43e8-bc93-6894a57f9324"`,
		Description: "1 to 255 visible ASCII characters, with or without quotes; the client order ID is derived from it when none is given.",
	}
}

// orderProblems are the ways in which an order of any kind can fail.
func orderProblems() []*problem.Kind {
	return append(upstreamProblems(), problem.IdempotencyInProgress, problem.IdempotencyMismatch, problem.InsufficientFunds,
		problem.MarketClosed, problem.OrderRejected)
}
