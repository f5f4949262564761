// Package platform is what the functions have in common beneath their handlers: configuration, Redis, tokens,
// accounts, the upstream client, limits and the outbox relay, with one start and one stop.
package platform

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/config"
)

// Config is the part of a function's configuration that all functions have. A function embeds it.
type Config struct {
	// Host and Port are where to listen; Knative sets PORT. Port 0 takes a free one.
	Host string `env:"HOST"`
	Port uint16 `env:"PORT" envDefault:"8080"`
	// LogLevel is debug, info, warn or error; at debug every request is a line.
	LogLevel string `env:"LOG_LEVEL" envDefault:"info"`
	// DrainQuietPeriod is how long no request must have come before a drain ends; StopTimeout bounds the stop.
	DrainQuietPeriod time.Duration `env:"DRAIN_QUIET_PERIOD" envDefault:"200ms"`
	StopTimeout      time.Duration `env:"STOP_TIMEOUT" envDefault:"4s"`
	// MetricsPerAccount adds an account_id label to the order and pool series.
	MetricsPerAccount bool `env:"METRICS_PER_ACCOUNT"`

	// RedisURL is redis://, rediss://, redis+cluster:// or rediss+cluster://.
	RedisURL config.Secret `env:"REDIS_URL,required,notEmpty"`
	// AccountsFile holds the accounts and their credentials, and is taken over within seconds of a change. Either it or ACCOUNTS_JSON is required.
	AccountsFile string `env:"ACCOUNTS_FILE"`
	// AccountsJSON is what such a file would hold, for the life of the process. A document of more than the 128 KiB that Linux allows a variable is cut, anywhere, and goes on in the next ones.
	AccountsJSON  config.Secret `env:"ACCOUNTS_JSON"`
	AccountsJSON2 config.Secret `env:"ACCOUNTS_JSON_2"`
	AccountsJSON3 config.Secret `env:"ACCOUNTS_JSON_3"`
	AccountsJSON4 config.Secret `env:"ACCOUNTS_JSON_4"`
	// Sink is where CloudEvents go; Knative's SinkBinding sets it. Empty leaves the outbox to others.
	Sink string `env:"K_SINK"`

	// JWTSecret is the HS256 key; JWTKeysFile a JWKS with more keys; JWTSigningKey names the one that signs.
	JWTSecret     config.Secret `env:"JWT_SECRET"`
	JWTKeysFile   string        `env:"JWT_KEYS_FILE"`
	JWTSigningKey string        `env:"JWT_SIGNING_KEY_ID"`
	JWTAlgorithms []string      `env:"JWT_ALGORITHMS"`
	TokenLife     time.Duration `env:"TOKEN_LIFE" envDefault:"24h"`

	// TradingURL and DataURL are Alpaca's addresses, or an emulator's.
	TradingURL string `env:"ALPACA_TRADING_URL" envDefault:"https://paper-api.alpaca.markets"`
	DataURL    string `env:"ALPACA_DATA_URL" envDefault:"https://data.alpaca.markets"`
	// AllowClearText lets credentials go to an http address beyond this machine: an emulator in a test cluster, never Alpaca.
	AllowClearText bool `env:"ALPACA_ALLOW_CLEAR_TEXT"`
	// TLSSessionSecret, of at least 32 bytes and the same for all instances, shares TLS sessions with Alpaca between them
	// through Redis; empty keeps them in the process.
	TLSSessionSecret config.Secret `env:"TLS_SESSION_SECRET"`
	// UpstreamTimeout bounds one call to Alpaca.
	UpstreamTimeout time.Duration `env:"UPSTREAM_TIMEOUT" envDefault:"5s"`

	// ControlsFile sets limits and risk controls for all accounts and for each, taken over within a second of a change; empty sets none beyond what is here.
	ControlsFile string `env:"CONTROLS_FILE"`
	// MinCash is what a buy must leave in the account's cash, in USD, where CONTROLS_FILE says nothing else; 0 is no minimum.
	MinCash int `env:"MIN_CASH" envDefault:"5000"`
	// RequestsPerSecond is the native API's limit over all accounts and instances.
	RequestsPerSecond int `env:"REQUESTS_PER_SECOND" envDefault:"10000"`
	// The limits of the native API, each for one account.
	QuotesPerSecond       int `env:"QUOTES_PER_SECOND" envDefault:"100"`
	OrdersPerMinute       int `env:"ORDERS_PER_MINUTE" envDefault:"60"`
	AccountReadsPerMinute int `env:"ACCOUNT_READS_PER_MINUTE" envDefault:"120"`
	// DataRequestsPerMinute is what Alpaca allows the market-data requests of one account, until its answers say otherwise: 200 on the free plan.
	DataRequestsPerMinute int `env:"ALPACA_DATA_REQUESTS_PER_MINUTE" envDefault:"200"`
	// TradingRequestsPerMinute is what Alpaca allows one account, until its answers say otherwise; CancelReserve is the part kept for cancels.
	TradingRequestsPerMinute int `env:"ALPACA_TRADING_REQUESTS_PER_MINUTE" envDefault:"200"`
	CancelReserve            int `env:"CANCEL_RESERVE" envDefault:"20"`
}

// Base returns the Config itself: a function's own configuration, which embeds it, gives it to Main.
func (c *Config) Base() *Config { return c }

// Address is what to listen on.
func (c *Config) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) }

// Validate checks what the types can't.
func (c *Config) Validate() error {
	positive := []struct {
		name  string
		value int64
	}{
		{"QUOTES_PER_SECOND", int64(c.QuotesPerSecond)}, {"ORDERS_PER_MINUTE", int64(c.OrdersPerMinute)},
		{"ACCOUNT_READS_PER_MINUTE", int64(c.AccountReadsPerMinute)},
		{"ALPACA_TRADING_REQUESTS_PER_MINUTE", int64(c.TradingRequestsPerMinute)},
		{"ALPACA_DATA_REQUESTS_PER_MINUTE", int64(c.DataRequestsPerMinute)}, {"REQUESTS_PER_SECOND", int64(c.RequestsPerSecond)},
		{"UPSTREAM_TIMEOUT", int64(c.UpstreamTimeout)}, {"STOP_TIMEOUT", int64(c.StopTimeout)},
		{"DRAIN_QUIET_PERIOD", int64(c.DrainQuietPeriod)}, {"TOKEN_LIFE", int64(c.TokenLife)},
	}
	for _, p := range positive {
		if p.value <= 0 {
			return fmt.Errorf("%s: must be greater than 0", p.name)
		}
	}
	if c.MinCash < 0 {
		return errors.New("MIN_CASH: must not be negative")
	}
	if c.CancelReserve < 0 || c.CancelReserve >= c.TradingRequestsPerMinute {
		return fmt.Errorf("CANCEL_RESERVE: must be from 0 to below ALPACA_TRADING_REQUESTS_PER_MINUTE (%d)", c.TradingRequestsPerMinute)
	}
	if err := c.validateAccounts(); err != nil {
		return err
	}
	if c.JWTSecret == "" && c.JWTKeysFile == "" {
		return errors.New("JWT_SECRET or JWT_KEYS_FILE: one is required")
	}
	return nil
}
