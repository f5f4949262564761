package feed

import (
	"errors"
	"fmt"
	"time"

	"github.com/opitios-ai/alpaca-knative/functions/quote/source"
	"github.com/opitios-ai/alpaca-knative/shared/marketfeed"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// SourceConfig says where reads by request get their market data from. Only ticks of the same source go into the cache
// that reads share.
type SourceConfig = source.Config

// Config is the feed's configuration. A zero value beside platform.Config means the default.
type Config struct {
	platform.Config
	SourceConfig
	// StockSources, OptionSources and CryptoSources are Alpaca's streams, best first; the first that the data plan has is
	// used. Stocks: sip, iex, delayed_sip, boats, overnight, test; options: opra, indicative; crypto: us, us-1, eu-1.
	StockSources  []string `env:"FEED_STOCK_SOURCES" envDefault:"sip,iex,test"`
	OptionSources []string `env:"FEED_OPTION_SOURCES" envDefault:"opra,indicative"`
	CryptoSources []string `env:"FEED_CRYPTO_SOURCES" envDefault:"us"`
	// Codec of the upstream sockets: msgpack or json. Options always come in MessagePack.
	Codec string `env:"FEED_CODEC" envDefault:"msgpack"`
	// LeaseLife is how long a feed that died holds the others back; a standby takes over within it and half a second.
	LeaseLife time.Duration `env:"FEED_LEASE_LIFE" envDefault:"2s"`
	// FlushInterval is how long ticks are gathered before they are published.
	FlushInterval time.Duration `env:"FEED_FLUSH_INTERVAL" envDefault:"5ms"`
	// SilentAfter is how long nothing may come from an open market before the connection is made anew.
	SilentAfter time.Duration `env:"FEED_SILENT_AFTER" envDefault:"60s"`
	// PollInterval is how often the latest values are read of what the data plan has no room for.
	PollInterval time.Duration `env:"FEED_POLL_INTERVAL" envDefault:"5s"`
}

var errNegative = errors.New("FEED_LEASE_LIFE, FEED_FLUSH_INTERVAL, FEED_SILENT_AFTER and FEED_POLL_INTERVAL: must not be negative")

// Validate checks what the types can't.
func (c *Config) Validate() error {
	if min(c.LeaseLife, c.FlushInterval, c.SilentAfter, c.PollInterval) < 0 {
		return errNegative
	}
	if _, err := c.withDefaults().sources(); err != nil {
		return err
	}
	if err := c.SourceConfig.Validate(); err != nil {
		return err
	}
	return c.Config.Validate()
}

func (c Config) withDefaults() Config {
	c.SourceConfig = c.WithDefaultSources()
	for _, list := range []struct {
		of       *[]string
		fallback []string
	}{
		{&c.StockSources, []string{"sip", "iex", "test"}},
		{&c.OptionSources, []string{"opra", "indicative"}},
		{&c.CryptoSources, []string{"us"}},
	} {
		if len(*list.of) == 0 {
			*list.of = list.fallback
		}
	}
	for _, span := range []struct {
		of       *time.Duration
		fallback time.Duration
	}{
		{&c.LeaseLife, 2 * time.Second},
		{&c.FlushInterval, 5 * time.Millisecond},
		{&c.SilentAfter, time.Minute},
		{&c.PollInterval, 5 * time.Second},
	} {
		if *span.of == 0 {
			*span.of = span.fallback
		}
	}
	return c
}

// sources returns the streams of each class.
func (c Config) sources() (map[tick.Class][]marketfeed.Source, error) {
	all := make(map[tick.Class][]marketfeed.Source)
	for _, list := range []struct {
		variable string
		class    tick.Class
		names    []string
	}{
		{"FEED_STOCK_SOURCES", tick.Stock, c.StockSources},
		{"FEED_OPTION_SOURCES", tick.Option, c.OptionSources},
		{"FEED_CRYPTO_SOURCES", tick.Crypto, c.CryptoSources},
	} {
		chosen, err := marketfeed.ParseSources(list.class, list.names)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", list.variable, err)
		}
		all[list.class] = chosen
	}
	return all, nil
}
