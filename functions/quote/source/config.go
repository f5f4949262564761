// Package source is the configuration of where market data comes from by request: what answers requests and what writes
// ticks beside their answers must mean the same.
package source

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// Config says where market data comes from. Zero values mean the defaults.
type Config struct {
	// Feed is the source of stock data: iex, sip, delayed_sip, otc, boats or overnight, as the data plan allows.
	Feed string `env:"ALPACA_FEED" envDefault:"iex"`
	// OptionFeed is the source of option data: indicative, or opra where the data plan allows it.
	OptionFeed string `env:"ALPACA_OPTION_FEED" envDefault:"indicative"`
	// CryptoLocation is where crypto is quoted: us, us-1, us-2, eu-1 or bs-1.
	CryptoLocation string `env:"ALPACA_CRYPTO_LOCATION" envDefault:"us"`
}

// WithDefaultSources returns c with the defaults in the place of zero values.
func (c Config) WithDefaultSources() Config {
	if c.Feed == "" {
		c.Feed = "iex"
	}
	if c.OptionFeed == "" {
		c.OptionFeed = "indicative"
	}
	if c.CryptoLocation == "" {
		c.CryptoLocation = "us"
	}
	return c
}

// Validate checks the names. Its error names the variable.
func (c Config) Validate() error {
	c = c.WithDefaultSources()
	for _, choice := range []struct {
		name, value string
		allowed     []string
	}{
		{"ALPACA_FEED", c.Feed, []string{"iex", "sip", "delayed_sip", "otc", "boats", "overnight"}},
		{"ALPACA_OPTION_FEED", c.OptionFeed, []string{"indicative", "opra"}},
		{"ALPACA_CRYPTO_LOCATION", c.CryptoLocation, []string{"us", "us-1", "us-2", "eu-1", "bs-1"}},
	} {
		if !slices.Contains(choice.allowed, choice.value) {
			return fmt.Errorf("%s: must be one of %s", choice.name, strings.Join(choice.allowed, ", "))
		}
	}
	return nil
}

// Of returns the source of a class.
func (c Config) Of(class tick.Class) string {
	switch class {
	case tick.Option:
		return c.OptionFeed
	case tick.Crypto:
		return c.CryptoLocation
	default:
		return c.Feed
	}
}
