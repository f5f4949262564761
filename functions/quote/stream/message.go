package stream

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/functions/quote/feed/status"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// Message is an answer or a notice to a client. Market data is quotes, trades and bars in the form of package tick;
// every message has a type.
type Message struct {
	// Type is connected, authenticated, subscription, heartbeat, pong, skipped, status, gap, closing or error.
	Type string `json:"type"`
	// ConnectionID names the stream in logs.
	ConnectionID string     `json:"connection_id,omitempty"`
	AccountID    string     `json:"account_id,omitempty"`
	ExpiresAt    *time.Time `json:"expires_at,omitempty"`

	// Of subscription: all that the stream has of the class.
	AssetClass string   `json:"asset_class,omitempty"`
	Quotes     []string `json:"quotes,omitempty"`
	Trades     []string `json:"trades,omitempty"`
	Bars       []string `json:"bars,omitempty"`

	// Of skipped: how many messages a newer one replaced, by symbol.
	Count   int            `json:"count,omitempty"`
	Skipped map[string]int `json:"skipped,omitempty"`

	// Of status: live, idle, connecting or stale; of gap: why ("upstream" or "missed") and when.
	State   string     `json:"state,omitempty"`
	Source  string     `json:"source,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Since   *time.Time `json:"since,omitempty"`
	From    *time.Time `json:"from,omitempty"`
	To      *time.Time `json:"to,omitempty"`
	Symbols []string   `json:"symbols,omitempty"`
	// Limited are the symbols that Alpaca's data plan has no room for: their values come every few seconds only.
	Limited []string `json:"limited,omitempty"`

	// Of closing: what to send in a resume request on the next connection, and when to open it.
	Code             int    `json:"code,omitempty"`
	ResumeToken      string `json:"resume_token,omitempty"`
	ReconnectAfterMS int    `json:"reconnect_after_ms,omitempty"`

	// Of error.
	Error *Failure `json:"error,omitempty"`

	Timestamp *time.Time `json:"timestamp,omitempty"`
}

// Failure is why a request was not served, with the codes of the REST API.
type Failure struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Details map[string]any `json:"details,omitempty"`
}

func (m Message) encode() []byte {
	encoded, err := json.Marshal(m)
	if err != nil { // a detail that is no JSON
		encoded = []byte(`{"type":"error","error":{"code":"INTERNAL_ERROR","message":"internal error"}}`)
	}
	return encoded
}

func failureMessage(err error) []byte {
	p := problem.From(err)
	return Message{Type: "error", Error: &Failure{p.Kind.Code(), p.Message, p.Details}}.encode()
}

func heartbeatMessage(now time.Time) []byte {
	now = now.UTC()
	return Message{Type: "heartbeat", Timestamp: &now}.encode()
}

// subscriptionMessage lists all that is held of a class.
func subscriptionMessage(class tick.Class, held map[tick.Topic]*subscription) []byte {
	m := Message{Type: "subscription", AssetClass: class.String()}
	lists := map[tick.Kind]*[]string{tick.Quote: &m.Quotes, tick.Trade: &m.Trades, tick.Bar: &m.Bars}
	for id := range held {
		if id.Class == class {
			list := lists[id.Kind]
			*list = append(*list, id.Symbol)
		}
	}
	for _, list := range lists {
		slices.Sort(*list)
	}
	return m.encode()
}

func skippedMessage(skipped map[*subscription]int) []byte {
	m := Message{Type: "skipped", Skipped: make(map[string]int, len(skipped))}
	for s, count := range skipped {
		m.Skipped[s.topic.Symbol] += count
		m.Count += count
	}
	return m.encode()
}

func statusMessage(class tick.Class, s status.Class) []byte {
	m := Message{Type: "status", AssetClass: class.String(), State: string(s.State), Source: s.Source, Reason: s.Detail, Since: moment(s.Since)}
	limited := make(map[string]bool)
	for _, name := range s.Limited {
		if id, err := tick.ParseTopic(name); err == nil {
			limited[id.Symbol] = true
		}
	}
	m.Limited = slices.Sorted(maps.Keys(limited))
	return m.encode()
}

// staleMessage says that nothing is known of the feed: the last values may be old.
func staleMessage(class tick.Class, since time.Time) []byte {
	return Message{Type: "status", AssetClass: class.String(), State: "stale", Reason: "the feed is silent", Since: moment(since)}.encode()
}

func gapMessage(class tick.Class, reason string, from, to time.Time, symbols map[string]bool) []byte {
	return Message{
		Type: "gap", AssetClass: class.String(), Reason: reason, From: moment(from), To: moment(to), Symbols: slices.Sorted(maps.Keys(symbols)),
	}.encode()
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
