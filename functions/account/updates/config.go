package updates

import (
	"errors"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

// Config is the event source's configuration. A zero value beside platform.Config means the default.
type Config struct {
	platform.Config
	// MaxStreams is how many accounts one instance follows; what is beyond it is left to other instances.
	MaxStreams int `env:"MAX_STREAMS" envDefault:"1000"`
	// ScanInterval is how often the active accounts are read anew; a new one is usually heard of at once.
	ScanInterval time.Duration `env:"ACTIVE_SCAN_INTERVAL" envDefault:"5s"`
	// QuietPeriod is how long nothing must have happened on an account before its open orders are counted: with none
	// it is left, with some its stream is opened anew, in case the old one has died silently.
	QuietPeriod time.Duration `env:"UPDATES_QUIET_PERIOD" envDefault:"60s"`
	// Backfill is how far back the trade events of an account are taken over of which Redis knows nothing: because it is
	// new, or because Redis lost its data. It must be longer than any time in which events could not be published.
	Backfill time.Duration `env:"UPDATES_BACKFILL" envDefault:"24h"`
	// LeaseLife is how long the accounts of a dead instance wait for another one.
	LeaseLife time.Duration `env:"UPDATES_LEASE_LIFE" envDefault:"10s"`
}

var (
	errSink     = errors.New("K_SINK: required, it is where the events go")
	errNegative = errors.New("MAX_STREAMS, ACTIVE_SCAN_INTERVAL, UPDATES_QUIET_PERIOD, UPDATES_BACKFILL and UPDATES_LEASE_LIFE: must not be negative")
)

// Validate checks what the types can't.
func (c *Config) Validate() error {
	if c.Sink == "" {
		return errSink
	}
	if min(int64(c.MaxStreams), int64(c.ScanInterval), int64(c.QuietPeriod), int64(c.Backfill), int64(c.LeaseLife)) < 0 {
		return errNegative
	}
	return c.Config.Validate()
}

func (c Config) withDefaults() Config {
	if c.MaxStreams == 0 {
		c.MaxStreams = 1000
	}
	if c.ScanInterval == 0 {
		c.ScanInterval = 5 * time.Second
	}
	if c.QuietPeriod == 0 {
		c.QuietPeriod = time.Minute
	}
	if c.Backfill == 0 {
		c.Backfill = 24 * time.Hour
	}
	if c.LeaseLife == 0 {
		c.LeaseLife = 10 * time.Second
	}
	return c
}
