package auth_test

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// TestTicketEndsWithItsToken: revoked between the ticket and the socket that it opens, the token opens nothing.
func TestTicketEndsWithItsToken(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start())
	server, revocations, _ := onRedis(t, clk)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	tickets := auth.NewTickets(client, revocations, clk)
	_, claims := issue(t, newIssuer(t, secretKeys(t), clk), auth.PermissionMarketData)
	var issued []string
	for range 2 {
		ticket, err := tickets.Issue(t.Context(), claims)
		if err != nil {
			t.Fatal(err)
		}
		issued = append(issued, ticket)
	}
	if got, err := tickets.Redeem(t.Context(), issued[0]); err != nil || got.ID != claims.ID {
		t.Fatalf("%+v, %v", got, err)
	}
	if err := revocations.Revoke(t.Context(), claims.ID, claims.ExpiresAt); err != nil {
		t.Fatal(err)
	}
	if _, err := tickets.Redeem(t.Context(), issued[1]); !errors.Is(err, auth.ErrRevoked) || !errors.Is(err, problem.InvalidToken) {
		t.Fatalf("got %v", err)
	}
}
