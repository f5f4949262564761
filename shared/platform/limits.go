package platform

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// The scopes of the rate limits that the router takes.
const (
	LimitQuotes  = "quotes"
	LimitAccount = "account"
	LimitTokens  = "tokens"
)

// tokensPerMinute limits who asks for tokens, by address: a wrong secret can be tried ten times a second.
const tokensPerMinute = 600

// rate is the native API's limit of a scope for a subject, which is an account or an address.
func (p *Platform) rate(scope, subject string) (bucket.Rate, bool) {
	own := p.Controls.Of(subject).Limits
	switch scope {
	case LimitQuotes:
		return bucket.Rate{Limit: either(own.QuotesPerSecond, p.Config.QuotesPerSecond), Period: time.Second}, true
	case LimitAccount:
		return bucket.Rate{Limit: either(own.AccountReadsPerMinute, p.Config.AccountReadsPerMinute), Period: time.Minute}, true
	case LimitTokens:
		return bucket.Rate{Limit: tokensPerMinute, Period: time.Minute}, true
	case serve.ScopeAll:
		return bucket.Rate{Limit: p.Config.RequestsPerSecond, Period: time.Second}, true
	}
	return bucket.Rate{}, false
}

// OrderRate is the account's own order limit.
func (p *Platform) OrderRate(accountID string) bucket.Rate {
	return bucket.Rate{Limit: either(p.Controls.Of(accountID).Limits.OrdersPerMinute, p.Config.OrdersPerMinute), Period: time.Minute}
}

// Allowance is what Alpaca allows the account on one of its APIs, and what of that is kept for cancels.
func (p *Platform) Allowance(accountID, api string) bucket.Allowance {
	if api == alpaca.APIData {
		return bucket.Allowance{Limit: p.Config.DataRequestsPerMinute}
	}
	return bucket.Allowance{
		Limit: p.Config.TradingRequestsPerMinute, Cap: p.Controls.Of(accountID).Limits.AlpacaRequestsPerMinute,
		Reserve: p.Config.CancelReserve,
	}
}

// either is what is set for the account, or the general value.
func either(own, general int) int {
	if own > 0 {
		return own
	}
	return general
}
