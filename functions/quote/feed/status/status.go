// Package status is what the feed says of itself to the instances that serve streams: which source each class comes
// from, and since when it does or does not.
package status

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// Every is how often the feed says how it is. Who hears nothing for Silence knows that there is no feed.
const (
	Every   = time.Second
	Silence = 3 * time.Second
	// Life is how long the last word is kept in Redis.
	Life = time.Hour
)

// State is the state of one class.
type State string

// The states.
const (
	// Idle: nobody watches anything of the class.
	Idle State = "idle"
	// Connecting: there is no connection yet, or no longer.
	Connecting State = "connecting"
	// Live: data flows.
	Live State = "live"
)

// Class is the state of one asset class.
type Class struct {
	State State `json:"state"`
	// Source is Alpaca's stream: sip, iex, opra, ...
	Source string    `json:"source,omitempty"`
	Since  time.Time `json:"since"`
	// Detail says why it is not live.
	Detail string `json:"detail,omitempty"`
	// Gaps counts the interruptions, From and To are when the last one was. What was made in between may be missing.
	Gaps int64     `json:"gaps,omitempty"`
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Down is since when data may be missing, until it flows again or nobody watches anything: the next leader ends a gap
	// that this one does not live to see the end of. Zero: nothing is missing, but for what is while the feed says nothing.
	Down time.Time `json:"down,omitzero"`
	// Limited are the topics that the data plan has no room for; they are read every few seconds instead.
	Limited []string `json:"limited,omitempty"`
}

// Feed is what the feed says.
type Feed struct {
	// Token is the fencing token of whoever says it: a smaller one is a former owner's.
	Token int64     `json:"token"`
	At    time.Time `json:"at"`
	// Classes are in the order of tick.Classes.
	Classes []Class `json:"classes"`
}

// Encode returns the form in which it travels.
func (f *Feed) Encode() ([]byte, error) { return json.Marshal(f) }

// Decode reads what Encode wrote.
func Decode(data []byte) (*Feed, error) {
	var f Feed
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("status of the feed: %w", err)
	}
	if len(f.Classes) != len(tick.Classes()) {
		return nil, fmt.Errorf("status of the feed: %d classes", len(f.Classes))
	}
	return &f, nil
}
