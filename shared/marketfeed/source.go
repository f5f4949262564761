// Package marketfeed talks to Alpaca's market-data WebSockets: it connects, authenticates, subscribes and decodes. One
// Socket is one connection; keeping one open, and only one, is its user's task. The protocol is Alpaca's page
// "WebSocket Stream".
package marketfeed

import (
	"fmt"
	"slices"

	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// TestSymbol is the only symbol of the source "test".
const TestSymbol = "FAKEPACA"

// Source is one of Alpaca's streams.
type Source struct {
	// Name is what configuration and clients call it: sip, iex, opra, ...
	Name  string
	Class tick.Class
	path  string
	// packed: it speaks MessagePack only.
	packed bool
}

func sources() []Source {
	return []Source{
		{Name: "sip", Class: tick.Stock, path: "/v2/sip"},
		{Name: "iex", Class: tick.Stock, path: "/v2/iex"},
		{Name: "delayed_sip", Class: tick.Stock, path: "/v2/delayed_sip"},
		{Name: "boats", Class: tick.Stock, path: "/v1beta1/boats"},
		{Name: "overnight", Class: tick.Stock, path: "/v1beta1/overnight"},
		{Name: "test", Class: tick.Stock, path: "/v2/test"},
		{Name: "opra", Class: tick.Option, path: "/v1beta1/opra", packed: true},
		{Name: "indicative", Class: tick.Option, path: "/v1beta1/indicative", packed: true},
		{Name: "us", Class: tick.Crypto, path: "/v1beta3/crypto/us"},
		{Name: "us-1", Class: tick.Crypto, path: "/v1beta3/crypto/us-1"},
		{Name: "eu-1", Class: tick.Crypto, path: "/v1beta3/crypto/eu-1"},
	}
}

// ParseSources returns the sources of a class with these names, in their order. The error names what is unknown.
func ParseSources(class tick.Class, names []string) ([]Source, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("no source of %s", class)
	}
	known := sources()
	chosen := make([]Source, 0, len(names))
	for _, name := range names {
		at := slices.IndexFunc(known, func(s Source) bool { return s.Class == class && s.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("unknown source %q of %s", name, class)
		}
		chosen = append(chosen, known[at])
	}
	return chosen, nil
}

// Carries reports whether the source has data about the symbol: the test source has one symbol.
func (s Source) Carries(symbol string) bool {
	return (s.Name == "test") == (symbol == TestSymbol)
}
