package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// TicketLife is how long a ticket can be redeemed: it is used in the request that follows at once.
const TicketLife = 30 * time.Second

// ticketBytes is how much of a ticket is random.
const ticketBytes = 24

// ErrTicket means that the ticket does not exist, was used, or is too old.
var ErrTicket = errors.New("ticket is unknown, used or too old")

// TicketKey returns the Redis key of a ticket. It holds a digest, so that whoever reads key names learns no ticket.
func TicketKey(ticket string) string {
	sum := sha256.Sum256([]byte(ticket))
	return "ticket:{" + hex.EncodeToString(sum[:16]) + "}"
}

// ticketRedis is what Tickets needs of a client.
type ticketRedis interface {
	redis.Scripter
	Set(ctx context.Context, key string, value any, expiration time.Duration) *redis.StatusCmd
}

// Tickets turns tokens into tickets that can stand in a URL: for the sockets of browsers, which can send no header.
// A ticket works once and for 30 seconds. It may be used concurrently.
type Tickets struct {
	client      ticketRedis
	revocations Revocations
	clock       clock.Clock
	redeem      *redis.Script
}

// NewTickets returns tickets in client. A ticket is worth nothing once its token was revoked.
func NewTickets(client ticketRedis, revocations Revocations, clk clock.Clock) *Tickets {
	return &Tickets{client: client, revocations: revocations, clock: clk, redeem: redis.NewScript(`return redis.call('GETDEL', KEYS[1])`)}
}

// ticketClaims is what a ticket stands for: the token's claims, not the token.
type ticketClaims struct {
	AccountID   string       `json:"account_id"`
	Permissions []Permission `json:"permissions"`
	Subject     string       `json:"sub,omitempty"`
	ID          string       `json:"jti,omitempty"`
	IssuedAt    time.Time    `json:"iat"`
	ExpiresAt   time.Time    `json:"exp"`
}

// Issue returns a ticket for the claims of a verified token.
func (t *Tickets) Issue(ctx context.Context, claims *Claims) (string, error) {
	random := make([]byte, ticketBytes)
	_, _ = rand.Read(random) // crypto/rand never fails: it ends the program instead
	ticket := base64.RawURLEncoding.EncodeToString(random)
	content, err := json.Marshal(ticketClaims(*claims))
	if err != nil {
		return "", fmt.Errorf("encode a ticket: %w", err)
	}
	if err := t.client.Set(ctx, TicketKey(ticket), content, TicketLife).Err(); err != nil {
		return "", problem.Unavailable.New("tickets can't be issued right now").Because(err)
	}
	return ticket, nil
}

// Redeem returns the claims of a ticket and uses it up. The error is an INVALID_TOKEN that wraps ErrTicket,
// ErrExpired or ErrRevoked, or problem.Unavailable.
func (t *Tickets) Redeem(ctx context.Context, ticket string) (*Claims, error) {
	content, err := t.redeem.Run(ctx, t.client, []string{TicketKey(ticket)}).Text()
	if errors.Is(err, redis.Nil) {
		return nil, refuse(ErrTicket, "ticket is unknown, used or too old")
	}
	if err != nil {
		return nil, problem.Unavailable.New("tickets can't be checked right now").Because(err)
	}
	var claims ticketClaims
	if err := json.Unmarshal([]byte(content), &claims); err != nil {
		return nil, refuse(ErrTicket, "ticket is unknown, used or too old")
	}
	if !t.clock.Now().Before(claims.ExpiresAt) {
		return nil, refuse(ErrExpired, "the ticket's token has expired")
	}
	if revoked, err := t.revocations.Revoked(ctx, claims.ID); err != nil {
		return nil, problem.Unavailable.New("tickets can't be checked right now").Because(err)
	} else if revoked {
		return nil, refuse(ErrRevoked, "the ticket's token has been revoked")
	}
	redeemed := Claims(claims)
	return &redeemed, nil
}
