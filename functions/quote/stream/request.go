package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// Request is what a client sends.
type Request struct {
	// Action is auth, subscribe, unsubscribe, resume or ping.
	Action string `json:"action"`
	// Token is the access token of auth.
	Token string `json:"token,omitempty"`
	// AssetClass is us_equity (the default), us_option or crypto.
	AssetClass string `json:"asset_class,omitempty"`
	// Quotes, Trades and Bars are symbols of subscribe and unsubscribe.
	Quotes []string `json:"quotes,omitempty"`
	Trades []string `json:"trades,omitempty"`
	Bars   []string `json:"bars,omitempty"`
	// ResumeToken is what the closing message of the last stream had.
	ResumeToken string `json:"resume_token,omitempty"`
}

// decodeRequest reads one message strictly.
func decodeRequest(message []byte) (Request, error) {
	var r Request
	decoder := json.NewDecoder(bytes.NewReader(message))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return r, problem.InvalidRequest.New("the message is not a request: %.120s", err.Error()).Because(err)
	}
	if decoder.More() {
		return r, problem.InvalidRequest.New("a message holds one request")
	}
	return r, nil
}

// topics returns the topics of a request, each once. The error names the list and the symbol at fault.
func (r *Request) topics(limit int) (tick.Class, []tick.Topic, error) {
	class, ok := tick.ParseClass(r.AssetClass)
	if !ok {
		return 0, nil, problem.InvalidRequest.New("asset_class must be us_equity, us_option or crypto").Field("asset_class")
	}
	if named := len(r.Quotes) + len(r.Trades) + len(r.Bars); named > limit {
		return 0, nil, tooMany(limit, named)
	}
	seen := make(map[tick.Topic]bool)
	var ids []tick.Topic
	for _, list := range []struct {
		kind    tick.Kind
		symbols []string
	}{{tick.Quote, r.Quotes}, {tick.Trade, r.Trades}, {tick.Bar, r.Bars}} {
		field := list.kind.Channel()
		if len(list.symbols) > 0 && !class.Has(list.kind) {
			return 0, nil, problem.InvalidRequest.New("there are no %s of %s", field, class).Field(field)
		}
		for _, name := range list.symbols {
			if name == "*" {
				return 0, nil, problem.InvalidRequest.New("%s: name the symbols, * is not offered", field).Field(field)
			}
			symbol, err := class.ParseSymbol(name)
			if err != nil {
				return 0, nil, problem.InvalidRequest.New("%s: %v", field, err).Field(field)
			}
			if id := (tick.Topic{Class: class, Kind: list.kind, Symbol: symbol}); !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return 0, nil, problem.InvalidRequest.New("name symbols in quotes, trades or bars").Field("quotes")
	}
	return class, ids, nil
}

func tooMany(limit, named int) error {
	return problem.InvalidRequest.New("a stream has at most %d subscriptions, this would make it %d", limit, named).
		Field("symbols").With("limit", limit).With("requested", named)
}

// handle serves one request of a client.
func (c *client) handle(ctx context.Context, message []byte) {
	r, err := decodeRequest(message)
	if err == nil {
		err = c.serve(ctx, &r)
	}
	if err != nil {
		c.notice(failureMessage(err))
		c.endIfRefused(err)
	}
}

// endIfRefused ends the stream of a client that may not have one.
func (c *client) endIfRefused(err error) {
	switch {
	case errors.Is(err, problem.InvalidToken):
		c.outbox.finish(failureMessage(err), codeUnauthorized, "unauthorized")
	case errors.Is(err, problem.Forbidden):
		c.outbox.finish(failureMessage(err), codeForbidden, "forbidden")
	case errors.Is(err, problem.RateLimitExceeded):
		c.outbox.finish(failureMessage(err), codeTooManyRequests, "too many streams")
	}
}

func (c *client) serve(ctx context.Context, r *Request) error {
	if r.Action == "auth" {
		claims, err := c.service.verifier.Verify(ctx, r.Token)
		if err != nil {
			return err
		}
		return c.authenticate(ctx, claims)
	}
	if c.claims.Load() == nil {
		return problem.InvalidToken.New("authenticate first")
	}
	switch r.Action {
	case "subscribe":
		class, ids, err := r.topics(c.service.config.Topics)
		if err != nil {
			return err
		}
		return c.join(class, ids)
	case "unsubscribe":
		class, ids, err := r.topics(c.service.config.Topics)
		if err != nil {
			return err
		}
		c.unsubscribe(class, ids)
		return nil
	case "resume":
		return c.resume(ctx, r.ResumeToken)
	case "ping":
		c.notice(Message{Type: "pong"}.encode())
		return nil
	default:
		return problem.InvalidRequest.New("action must be auth, subscribe, unsubscribe, resume or ping").Field("action")
	}
}

// join subscribes within the limit.
func (c *client) join(class tick.Class, ids []tick.Topic) error {
	added := 0
	for _, id := range ids {
		if c.held[id] == nil {
			added++
		}
	}
	if limit := c.service.config.Topics; len(c.held)+added > limit {
		return tooMany(limit, len(c.held)+added)
	}
	c.subscribe(class, ids)
	return nil
}

// resume subscribes to what the client's last stream had.
func (c *client) resume(ctx context.Context, token string) error {
	ids, err := c.service.recall(ctx, c.claims.Load().AccountID, token)
	if err != nil {
		return err
	}
	for _, class := range tick.Classes() {
		var own []tick.Topic
		for _, id := range ids {
			if id.Class == class {
				own = append(own, id)
			}
		}
		if len(own) == 0 {
			continue
		}
		if err := c.join(class, own); err != nil {
			return err
		}
	}
	return nil
}

// authenticate admits the client, or prolongs its stream with a newer token of the same account.
func (c *client) authenticate(ctx context.Context, claims *auth.Claims) error {
	if !claims.Allows(auth.PermissionMarketData) {
		return problem.Forbidden.New("the token lacks the permission %q", auth.PermissionMarketData).
			With("permission", string(auth.PermissionMarketData))
	}
	if former := c.claims.Load(); former != nil && former.AccountID != claims.AccountID {
		return problem.Forbidden.New("the stream belongs to another account")
	}
	if !c.admitted {
		if err := c.service.places.enter(ctx, claims.AccountID, c.id); err != nil {
			return err
		}
		c.admitted = true
	}
	c.claims.Store(claims)
	expires := claims.ExpiresAt.UTC().Truncate(time.Second)
	c.notice(Message{Type: "authenticated", AccountID: claims.AccountID, ExpiresAt: &expires}.encode())
	return nil
}

// depart gives back what the client holds.
func (c *client) depart(ctx context.Context) {
	c.service.hub.part(c)
	if c.admitted {
		c.service.places.leave(ctx, c.claims.Load().AccountID, c.id)
	}
}
