package alpaca

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Budget is asked before every request, a repeated one included, and told about every answer. Implementations may be
// used concurrently.
type Budget interface {
	// Take takes one request from what Alpaca allows the account. Its error is the call's: nothing is sent then.
	Take(ctx context.Context, spending Spending) (Spent, error)
	// Answered tells what Alpaca said of the account's budget with the answer to a request that was taken.
	Answered(ctx context.Context, spending Spending, spent Spent, limit RateLimit, status int)
}

// Spending is one request to be paid for.
type Spending struct {
	// AccountID is the account's name in this service, or its key ID when the credentials have none.
	AccountID string
	// API is APITrading or APIData.
	API      string
	Priority Priority
}

// Spent is a request that was paid for. The zero value is one about which nothing is known.
type Spent struct {
	// Remaining is how many requests were left of the account's budget after this one, those kept for more urgent
	// requests included; Limit is the budget.
	Remaining, Limit int
	// At is when it was taken, in microseconds by Redis's clock; 0 is unknown.
	At int64
}

// Priority says how much of the budget a request leaves to more urgent ones.
type Priority int

// The priorities, the least urgent first. Zero lets the client decide by the call.
const (
	// ByCall: cancels and exits are urgent, orders are orders, everything else is a read.
	ByCall Priority = iota
	PriorityRead
	PriorityOrder
	PriorityUrgent
)

type (
	priorityKey struct{}
	prepaidKey  struct{}
)

// Urgent returns a context under which every request may use the whole budget: looking for an order whose outcome is
// unknown can't wait.
func Urgent(ctx context.Context) context.Context { return WithPriority(ctx, PriorityUrgent) }

// WithPriority returns a context under which every request has that priority, whatever the call is.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// prepaid is a request that was paid for beforehand, together with something else. It pays once.
type prepaid struct {
	spent Spent
	until time.Time
	used  bool
}

// Prepaid returns a context whose first request until then is paid for. It must not be shared by goroutines.
func Prepaid(ctx context.Context, spent Spent, until time.Time) context.Context {
	return context.WithValue(ctx, prepaidKey{}, &prepaid{spent: spent, until: until})
}

// unlimited is the Budget of a client without one.
type unlimited struct{}

func (unlimited) Take(context.Context, Spending) (Spent, error)             { return Spent{}, nil }
func (unlimited) Answered(context.Context, Spending, Spent, RateLimit, int) {}

// pay takes the call from the account's budget, unless it is paid for.
func (c *Client) pay(ctx context.Context, r call) (Spending, Spent, error) {
	spending := Spending{AccountID: r.cred.AccountID, API: r.api, Priority: priorityOf(ctx, r)}
	if spending.AccountID == "" {
		spending.AccountID = r.cred.KeyID
	}
	if paid, ok := ctx.Value(prepaidKey{}).(*prepaid); ok && !paid.used && r.api == APITrading {
		paid.used = true
		// A process that stood still since then may find itself in a later minute of Alpaca's.
		if c.deps.Clock.Now().Before(paid.until) {
			return spending, paid.spent, nil
		}
	}
	spent, err := c.deps.Budget.Take(ctx, spending)
	return spending, spent, err
}

func priorityOf(ctx context.Context, r call) Priority {
	if wanted, ok := ctx.Value(priorityKey{}).(Priority); ok {
		return wanted
	}
	switch {
	case r.method == http.MethodDelete && (strings.HasPrefix(r.path, "/v2/orders") || strings.HasPrefix(r.path, "/v2/positions")):
		return PriorityUrgent
	case r.changes(), r.path == tradeEventsPath: // without its fills an account can't be traded
		return PriorityOrder
	}
	return PriorityRead
}
