package alpaca

import "context"

// quotesEnvelope is how the data API answers latest quotes of every class.
type quotesEnvelope struct {
	Quotes map[string]Quote `json:"quotes"`
}

func (e *quotesEnvelope) quotes() map[string]Quote { return e.Quotes }

// LatestCryptoQuotes returns the latest quote of each pair on Alpaca's own venue.
func (c *Client) LatestCryptoQuotes(ctx context.Context, cred Credentials, pairs []string) (map[string]Quote, error) {
	return latest(ctx, c, cred, "/v1beta3/crypto/us/latest/quotes", pairs, "", (*quotesEnvelope).quotes)
}

// LatestOptionQuotes returns the latest quote of each contract, from the best feed that the account's data plan has.
func (c *Client) LatestOptionQuotes(ctx context.Context, cred Credentials, contracts []string) (map[string]Quote, error) {
	return latest(ctx, c, cred, "/v1beta1/options/quotes/latest", contracts, "", (*quotesEnvelope).quotes)
}
