package alpaca

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

// Alpaca's public addresses. The data host serves paper and live accounts alike.
const (
	PaperTradingURL = "https://paper-api.alpaca.markets"
	LiveTradingURL  = "https://api.alpaca.markets"
	PublicDataURL   = "https://data.alpaca.markets"
)

const (
	defaultTimeout          = 5 * time.Second
	defaultMaxIdlePerHost   = 256
	defaultMaxResponseBytes = 16 << 20
	idleConnectionTimeout   = 90 * time.Second
	keepAlivePeriod         = 30 * time.Second
	connectionPingAfter     = 15 * time.Second
	connectionPingTimeout   = 5 * time.Second
)

// Config says where Alpaca is and how the client talks to it. The zero value is Alpaca's paper API.
type Config struct {
	// TradingURL and DataURL are base addresses without a path ("/v2" is added by the client). Empty means
	// PaperTradingURL and PublicDataURL. Plain http is accepted for loopback addresses only.
	TradingURL, DataURL string
	// AllowClearText accepts plain http for any host: for an emulator in a test cluster. Credentials can be read on the way.
	AllowClearText bool
	// Timeout is the longest that one call may take, its retry included; a nearer deadline of the call's context
	// wins. 0 is 5 s. It doesn't limit how long TradeEvents runs, only how long its stream takes to open.
	Timeout time.Duration
	// MaxConnsPerHost bounds the connections to each host, trade-event streams not counted; 0 is no bound.
	MaxConnsPerHost int
	// MaxIdleConnsPerHost is how many idle connections to each host are kept for 90 s; 0 is 256.
	MaxIdleConnsPerHost int
	// MaxResponseBytes bounds an answer's decompressed body; 0 is 16 MiB.
	MaxResponseBytes int64
	// StreamIdleTimeout ends TradeEvents when nothing, not even a heartbeat, arrived for so long; 0 is never.
	StreamIdleTimeout time.Duration
	// MetricsPerAccount adds an account_id label to connection_pool_size. Connections are shared by all accounts: the
	// label names the account whose call opened the connection.
	MetricsPerAccount bool
	// TLS is the base of the TLS configuration (roots, session cache); nil is the system's.
	TLS *tls.Config
}

// Dependencies is what the client needs from its process. Nil fields do nothing.
type Dependencies struct {
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	Clock      clock.Clock
	// Budget is what every request is taken from.
	Budget Budget
}

func (d Dependencies) withDefaults() Dependencies {
	if d.Logger == nil {
		d.Logger = zap.NewNop()
	}
	if d.Clock == nil {
		d.Clock = clock.System{}
	}
	if d.Budget == nil {
		d.Budget = unlimited{}
	}
	return d
}

func (c Config) withDefaults() Config {
	if c.TradingURL == "" {
		c.TradingURL = PaperTradingURL
	}
	if c.DataURL == "" {
		c.DataURL = PublicDataURL
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.MaxIdleConnsPerHost == 0 {
		c.MaxIdleConnsPerHost = defaultMaxIdlePerHost
	}
	if c.MaxResponseBytes == 0 {
		c.MaxResponseBytes = defaultMaxResponseBytes
	}
	return c
}

func (c Config) validate() error {
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"Timeout", int64(c.Timeout)},
		{"MaxConnsPerHost", int64(c.MaxConnsPerHost)},
		{"MaxIdleConnsPerHost", int64(c.MaxIdleConnsPerHost)},
		{"MaxResponseBytes", c.MaxResponseBytes},
		{"StreamIdleTimeout", int64(c.StreamIdleTimeout)},
	} {
		if field.value < 0 {
			return fmt.Errorf("alpaca: %s must not be negative, is %d", field.name, field.value)
		}
	}
	return nil
}

// parseBaseURL accepts scheme://host[:port], nothing else. The URL is not repeated in errors when it could hold a
// password.
func parseBaseURL(field, text string, clearText bool) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("alpaca: %s is not a URL", field)
	}
	if base.User != nil {
		return nil, fmt.Errorf("alpaca: %s must not hold a user name or password", field)
	}
	if base.Hostname() == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, fmt.Errorf("alpaca: %s must be an absolute http or https URL, is %q", field, text)
	}
	if (base.Path != "" && base.Path != "/") || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("alpaca: %s must end after the host (the client adds /v2), is %q", field, text)
	}
	if base.Scheme == "http" && !clearText && !loopback(base.Hostname()) {
		return nil, fmt.Errorf("alpaca: %s must be https unless its host is loopback, is %q", field, text)
	}
	base.Path = ""
	return base, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
