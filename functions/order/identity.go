package order

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/oklog/ulid/v2"
)

// The prefixes of client order IDs that we derive: they say in Alpaca's own dashboard where an order came from.
const (
	fromKey   = "key-"
	fromEvent = "evt-"
	fromNone  = "gen-"
	fromClose = "cls-" // one of the orders that close all positions
)

// derivedID is the client order ID that a key or event always leads to, so that Alpaca itself refuses a second order
// even when all of our own memory is gone.
func derivedID(prefix, accountID string, parts ...string) string {
	hash := sha256.New()
	for _, part := range append([]string{accountID}, parts...) {
		_, _ = fmt.Fprintf(hash, "%d:%s", len(part), part) // lengths, so that "a","bc" and "ab","c" differ
	}
	return prefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(hash.Sum(nil)[:20]))
}

// repeatable reports whether another request can have led to the same client order ID.
func (p *placement) repeatable() bool { return p.given || p.idempotencyKey != "" }

// clientOrderID is the caller's own, or derived from the idempotency key, or new.
func clientOrderID(accountID, given, idempotencyKey string) string {
	switch {
	case given != "":
		return given
	case idempotencyKey != "":
		return derivedID(fromKey, accountID, idempotencyKey)
	default:
		return fromNone + strings.ToLower(ulid.Make().String())
	}
}

// fingerprint identifies what is asked for: two requests with the same key must agree in it. kind is the asset class of a
// new order, or what else is asked for.
func fingerprint(kind string, asked any) (string, error) {
	encoded, err := json.Marshal(asked)
	if err != nil {
		return "", fmt.Errorf("fingerprint: %w", err)
	}
	sum := sha256.Sum256(append([]byte(kind+"\n"), encoded...))
	return hex.EncodeToString(sum[:16]), nil
}
