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
	Readings Readings
}

// ForTrading lets requests within the trading limit through to next.
func (g *Gate) ForTrading(next Handler) http.Handler { return g.guard(g.Trading, false, next) }

// ForData lets requests within the market data limit through to next.
func (g *Gate) ForData(next Handler) http.Handler { return g.guard(g.Data, true, next) }

// ForPublicData lets requests without any credentials through, too, with a nil account. Wrong credentials are refused.
func (g *Gate) ForPublicData(next Handler) http.Handler {
	guarded := g.guard(g.Data, true, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !claims(r) {
			next(w, r, nil)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// claims reports whether a request has any credentials, be they whole or not.
func claims(r *http.Request) bool {
	for _, name := range []string{"Apca-Api-Key-Id", "Apca-Api-Secret-Key", "Authorization"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

func (g *Gate) guard(limiter *Limiter, data bool, next Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		account, _, ok := g.Authenticate(Credentials(r))
		if !ok {
			g.Readings.refuseCredentials(w, data, !claims(r))
			return
		}
		if !limiter.Allow(w.Header(), account.KeyID) {
			g.Readings.refuseRate(w, limiter.now())
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

// crossOrigin are the headers with which Alpaca lets pages of any origin call it. The values are shared and never changed.
var crossOrigin = map[string][]string{ //nolint:gochecknoglobals // a table that nothing changes
	"Access-Control-Allow-Origin":      {"*"},
	"Access-Control-Allow-Credentials": {"true"},
	"Access-Control-Allow-Headers":     {"Apca-Api-Key-Id, Apca-Api-Secret-Key, Authorization"},
	"Access-Control-Allow-Methods":     {"GET, OPTIONS, PUT, DELETE, POST, PATCH"},
	"Access-Control-Max-Age":           {"1728000"},
}

// Identify gives every answer an X-Request-ID and lets pages of any origin call, and answers paths that net/http would redirect: Alpaca never redirects, and
// its Python SDK refuses to follow.
func Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header["X-Request-Id"] = []string{requestID()}
		for name, values := range crossOrigin {
			header[name] = values
		}
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
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
