package feed

import (
	"net/http"
	"slices"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
)

// Scope of an OAuth token that market data needs.
const dataScope = "data"

// claim is what a client says it is: a key pair, or an OAuth token.
type claim struct{ keyID, secretKey, token string }

// claimOf reads the credentials of a handshake's headers; false when there are none.
func claimOf(r *http.Request) (claim, bool) {
	keyID, secretKey, token := access.Credentials(r)
	return claim{keyID, secretKey, token}, keyID != "" || token != ""
}

// claimFrom reads the credentials of an auth message: an OAuth token has the key "oauth".
func claimFrom(wanted *request) claim {
	if wanted.key == "oauth" {
		return claim{token: wanted.secret}
	}
	return claim{keyID: wanted.key, secretKey: wanted.secret}
}

// authenticate admits the client or says why not. After a refusal the client may try again on the same connection; that
// all places are taken starts the wait for it anew, because Alpaca's Go SDK tries again for a minute.
func (c *client) authenticate(said claim) {
	wait := c.hub.settings.AuthTimeout
	found, err := c.identify(said)
	if err != nil {
		c.refuse(*err)
		return
	}
	seat := place{account: found.ID, endpoint: string(c.feed.class)}
	if c.hub.settings.SlotPerFeed {
		seat.endpoint = c.feed.path
	}
	if !c.hub.slots.take(seat, c.hub.settings.Connections) {
		c.timer.Reset(wait)
		c.refuse(ErrConnectionLimit)
		return
	}
	if !c.timer.Stop() { // the timeout is on its way already
		c.hub.slots.free(seat, true)
		return
	}
	c.account, c.keyID, c.place = found.ID, found.KeyID, seat
	c.hub.arrive(c)
	c.control(success(c.socket.Codec, "authenticated"))
}

func (c *client) identify(said claim) (*exchange.Account, *Refusal) {
	found, scopes, ok := c.hub.Gate.Authenticate(said.keyID, said.secretKey, said.token)
	if !ok {
		return nil, &ErrAuthFailed
	}
	if said.token != "" && !slices.Contains(scopes, dataScope) {
		return nil, &ErrScope
	}
	if c.feed.plus && !c.hub.rightsOf(found.KeyID).realTime {
		return nil, &ErrSubscription
	}
	if c.feed.packed && c.socket.Codec.IsText() {
		return nil, &ErrMessagePackOnly
	}
	return found, nil
}
