// Package access is what stands before every endpoint: request IDs, credentials and rate limits.
package access

import (
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Handler answers a request of an account whose credentials were right.
type Handler func(w http.ResponseWriter, r *http.Request, account *exchange.Account)

// Gate checks credentials and limits. It may be used concurrently.
type Gate struct {
	Accounts *exchange.Exchange
	Trading  *Limiter
	Data     *Limiter
	Tokens   Tokens
}

// ForTrading lets requests within the trading limit through to next.
func (g *Gate) ForTrading(next Handler) http.Handler { return g.guard(g.Trading, next) }

// ForData lets requests within the market data limit through to next.
func (g *Gate) ForData(next Handler) http.Handler { return g.guard(g.Data, next) }

// ForPublicData lets requests without any credentials through, too, with a nil account. Wrong credentials are refused.
func (g *Gate) ForPublicData(next Handler) http.Handler {
	guarded := g.guard(g.Data, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keyID, secretKey, token := Credentials(r)
		if keyID == "" && secretKey == "" && token == "" && r.Header.Get("Authorization") == "" {
			next(w, r, nil)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

func (g *Gate) guard(limiter *Limiter, next Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, _, ok := g.Authenticate(Credentials(r))
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer, Basic realm="alpaca.markets"`)
			wire.WriteError(w, wire.Plain(http.StatusUnauthorized, "unauthorized."))
			return
		}
		if !limiter.Allow(w.Header(), account.KeyID) {
			wire.WriteError(w, wire.Plain(http.StatusTooManyRequests, "too many requests."))
			return
		}
		next(w, r, account)
	})
}

// KeyOf returns the key ID that a request claims, without checking it.
func KeyOf(r *http.Request) string {
	keyID, _ := credentials(r)
	return keyID
}

// credentials reads the header pair, or HTTP Basic as Alpaca documents it for the same pair.
func credentials(r *http.Request) (keyID, secretKey string) {
	if keyID = r.Header.Get("Apca-Api-Key-Id"); keyID != "" {
		return keyID, r.Header.Get("Apca-Api-Secret-Key")
	}
	keyID, secretKey, _ = r.BasicAuth()
	return keyID, secretKey
}

// Identify gives every answer an X-Request-ID, and answers paths that net/http would redirect: Alpaca never redirects, and
// its Python SDK refuses to follow.
func Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Request-Id"] = []string{requestID()}
		if strings.Contains(r.URL.Path, "//") || strings.Contains(r.URL.Path, "/.") {
			wire.WriteError(w, wire.NotFound("endpoint not found"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// requestID is 32 hexadecimal digits, as in Alpaca's answers.
func requestID() string {
	var raw [16]byte
	high, low := rand.Uint64(), rand.Uint64()
	for i := range 8 {
		raw[i], raw[8+i] = byte(high>>(8*i)), byte(low>>(8*i))
	}
	return hex.EncodeToString(raw[:])
}
