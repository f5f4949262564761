// Package tick is one piece of live market data: its identity, its JSON form for clients, and the form in which many
// of them travel from the feed to the instances that serve streams.
package tick

import (
	"fmt"
	"hash/fnv"

	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// Class is an asset class. Every class has an upstream socket of its own.
type Class uint8

// The classes.
const (
	Stock Class = iota
	Option
	Crypto
	classCount
)

// Classes returns all of them.
func Classes() []Class { return []Class{Stock, Option, Crypto} }

// String returns the class's name in the native API: Alpaca's own asset_class.
func (c Class) String() string {
	switch c {
	case Stock:
		return "us_equity"
	case Option:
		return "us_option"
	case Crypto:
		return "crypto"
	default:
		return "unknown"
	}
}

// Kind is a kind of market data.
type Kind uint8

// The kinds.
const (
	Quote Kind = iota
	Trade
	Bar
	kindCount
)

// Kinds returns all of them.
func Kinds() []Kind { return []Kind{Quote, Trade, Bar} }

// String returns the kind as the type of a message to a client.
func (k Kind) String() string {
	switch k {
	case Quote:
		return "quote"
	case Trade:
		return "trade"
	case Bar:
		return "bar"
	default:
		return "unknown"
	}
}

// Channel returns the kind as a subscription names it, which is also Alpaca's name of the channel.
func (k Kind) Channel() string { return k.String() + "s" }

// Has reports whether Alpaca streams the kind for the class: there are no bars of options.
func (c Class) Has(k Kind) bool { return c != Option || k != Bar }

// Topic is what can be subscribed to.
type Topic struct {
	Class  Class
	Kind   Kind
	Symbol string // canonical
}

// String returns "us_equity/quotes/AAPL", which ParseTopic reads.
func (t Topic) String() string { return t.Class.String() + "/" + t.Kind.Channel() + "/" + t.Symbol }

// Shards is how many channels the ticks of a class are spread over.
const Shards = 16

// Shard returns the channel of a symbol's ticks, 0 to Shards-1.
func Shard(symbol string) int {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(symbol)) // a hash.Hash never returns an error
	return int(hash.Sum32() % Shards)
}

// ParseTopic reads what Topic.String wrote.
func ParseTopic(text string) (Topic, error) {
	for _, class := range Classes() {
		for _, kind := range Kinds() {
			prefix := class.String() + "/" + kind.Channel() + "/"
			if len(text) > len(prefix) && text[:len(prefix)] == prefix {
				return Topic{class, kind, text[len(prefix):]}, nil
			}
		}
	}
	return Topic{}, fmt.Errorf("not a topic: %.40q", text)
}

// ParseClass returns the class of that name; an empty name is Stock.
func ParseClass(name string) (Class, bool) {
	if name == "" {
		return Stock, true
	}
	for _, class := range Classes() {
		if class.String() == name {
			return class, true
		}
	}
	return 0, false
}

// ParseKind returns the kind whose channel has that name.
func ParseKind(channel string) (Kind, bool) {
	for _, kind := range Kinds() {
		if kind.Channel() == channel {
			return kind, true
		}
	}
	return 0, false
}

// ParseSymbol returns the canonical symbol of a class. The error wraps market.ErrSymbol.
func (c Class) ParseSymbol(text string) (string, error) {
	switch c {
	case Option:
		option, err := market.ParseOption(text)
		return option.Symbol, err
	case Crypto:
		pair, err := market.ParsePair(text)
		if err != nil {
			return "", err
		}
		return pair.String(), nil
	default:
		return market.ParseStock(text)
	}
}
