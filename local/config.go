// Package local is the whole system in one process on one machine: an emulated Alpaca (or Alpaca's paper API), an
// embedded Redis (or a real one), the functions, the broker and the gateway.
package local

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/opitios-ai/alpaca-knative/shared/config"
)

// maxAccounts bounds the demo accounts: what the emulator holds within its memory goal.
const maxAccounts = 10_000

// Config is what `make run` can be told through the environment.
type Config struct {
	// Addr is the gateway's address.
	Addr string `env:"ADDR" envDefault:"127.0.0.1:8080"`
	// Accounts is how many demo accounts exist.
	Accounts int `env:"ACCOUNTS" envDefault:"3"`
	// ReadyFile is written when all is ready; empty for none. It holds credentials: mode 0600.
	ReadyFile string `env:"READY_FILE"`
	// RedisURL uses a real Redis; empty is an embedded one.
	RedisURL config.Secret `env:"REDIS_URL"`
	// KeyID and SecretKey use Alpaca's paper API with this one account; empty is the emulator.
	KeyID     string        `env:"ALPACA_KEY_ID"`
	SecretKey config.Secret `env:"ALPACA_SECRET_KEY"`
	// QuotesPerSecond is each demo account's quote limit.
	QuotesPerSecond int `env:"QUOTES_PER_SECOND" envDefault:"100"`
	// OrdersPerMinute is each demo account's order limit.
	OrdersPerMinute int `env:"ORDERS_PER_MINUTE" envDefault:"60"`
	// JWTSecret signs the tokens; empty is a new one for each run.
	JWTSecret config.Secret `env:"JWT_SECRET"`
	// MarketClock and Seed are the emulator's.
	MarketClock string `env:"MARKET_CLOCK" envDefault:"always-open"`
	Seed        uint64 `env:"SEED" envDefault:"1"`
	// LogLevel is debug, info, warn or error.
	LogLevel          string `env:"LOG_LEVEL" envDefault:"warn"`
	MetricsPerAccount bool   `env:"METRICS_PER_ACCOUNT"`
}

// Validate checks what the types can't.
func (c *Config) Validate() error {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		return fmt.Errorf("ADDR: want host:port: %w", err)
	}
	if c.Accounts < 1 || c.Accounts > maxAccounts {
		return fmt.Errorf("ACCOUNTS: must be from 1 to %d", maxAccounts)
	}
	if (c.KeyID == "") != (c.SecretKey == "") {
		return errors.New("ALPACA_KEY_ID and ALPACA_SECRET_KEY: give both or none")
	}
	if c.QuotesPerSecond < 1 || c.OrdersPerMinute < 1 {
		return errors.New("QUOTES_PER_SECOND and ORDERS_PER_MINUTE: must be greater than 0")
	}
	if c.RedisURL != "" {
		if parsed, err := url.Parse(c.RedisURL.Reveal()); err != nil || parsed.Host == "" {
			return errors.New("REDIS_URL: want redis://host:port")
		}
	}
	return nil
}

// paper reports whether Alpaca's own paper API takes the emulator's place.
func (c *Config) paper() bool { return c.KeyID != "" }
