package stream

import (
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// Register adds the streams to a router, unless they are another function's.
func (s *Service) Register(router *serve.Router) {
	if !s.config.Streams {
		return
	}
	ticket := serve.Parameter{Name: "ticket", In: serve.InQuery, Description: "A ticket of POST /api/v1/auth/ticket, in the place of a token: for browsers."}
	problems := []*problem.Kind{problem.InvalidToken, problem.Forbidden, problem.RateLimitExceeded, problem.Unavailable}
	serve.HandleStream(router, serve.Operation{
		ID: "streamMarketData", Method: http.MethodGet, Path: "/api/v1/ws/market-data", Tag: "Streams", Status: http.StatusSwitchingProtocols,
		Summary: "Live quotes, trades and bars on a WebSocket",
		Description: "The token comes in the Authorization header, as a ticket in the query, or in the first message: " +
			`{"action":"auth","token":"..."}. Then {"action":"subscribe","quotes":["AAPL"],"trades":["AAPL"]}. docs/streams.md has the protocol.`,
		Parameters: []serve.Parameter{ticket}, Problems: problems,
	}, s.ServeWebSocket)
	serve.HandleStream(router, serve.Operation{
		ID: "streamMarketDataEvents", Method: http.MethodGet, Path: "/api/v1/sse/market-data", Tag: "Streams",
		Summary:     "Live quotes, trades and bars as server-sent events",
		Description: "The messages of the WebSocket, each as an event whose name is its type.",
		Parameters: []serve.Parameter{
			{Name: "symbols", In: serve.InQuery, Required: true, Description: "Symbols, separated by commas.", Example: "AAPL,MSFT"},
			{Name: "channels", In: serve.InQuery, Description: "quotes (the default), trades, bars, separated by commas.", Example: "quotes,trades"},
			{Name: "asset_class", In: serve.InQuery, Description: "Asset class of the symbols; us_equity without it.", Enum: []string{"us_equity", "us_option", "crypto"}},
			ticket,
		},
		Problems: problems,
	}, s.ServeEvents)
}
