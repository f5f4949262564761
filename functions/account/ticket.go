package account

import (
	"context"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// Ticket opens one stream.
type Ticket struct {
	Ticket string `json:"ticket" doc:"Goes into the stream's URL as ?ticket=. It works once."`
	// ExpiresIn is in seconds.
	ExpiresIn int64 `json:"expires_in" doc:"Seconds within which it must be used."`
}

func (f *Function) handleTickets() {
	tickets := auth.NewTickets(f.platform.Redis, f.platform.Revocations, f.platform.Clock)
	serve.Handle(f.router, serve.Operation{
		ID: "createTicket", Method: http.MethodPost, Path: "/api/v1/auth/ticket", Tag: "auth",
		Summary:     "Get a ticket that opens one stream",
		Description: "For browsers, whose sockets can send no Authorization header: a token must never stand in a URL.",
		Permission:  auth.PermissionMarketData, Limit: platform.LimitAccount,
		Problems: []*problem.Kind{problem.Unavailable},
	}, func(ctx context.Context, r *serve.Request[serve.None]) (Ticket, error) {
		ticket, err := tickets.Issue(ctx, r.Claims)
		return Ticket{Ticket: ticket, ExpiresIn: int64(auth.TicketLife.Seconds())}, err
	})
}
