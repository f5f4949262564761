package updates

import (
	"errors"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

// Config is the event source's configuration.
type Config struct {
	platform.Config
	// MaxStreams is how many accounts one instance follows; what is beyond it is left to other instances.
	MaxStreams int `env:"MAX_STREAMS" envDefault:"1000"`
	// ScanInterval is how often the active accounts are read anew; a new one is usually heard of at once.
	ScanInterval time.Duration `env:"ACTIVE_SCAN_INTERVAL" envDefault:"5s"`
	// QuietPeriod is how long nothing must have happened on an account before its open orders are counted: with none
	// it is left, with some its stream is opened anew, in case the old one has died silently.
	QuietPeriod time.Duration `env:"UPDATES_QUIET_PERIOD" envDefault:"60s"`
}

// Validate checks what the types can't.
func (c *Config) Validate() error {
	switch {
	case c.Sink == "":
		return errors.New("K_SINK: required, it is where the events go")
	case c.MaxStreams <= 0:
		return errors.New("MAX_STREAMS: must be greater than 0")
	case c.ScanInterval <= 0:
		return errors.New("ACTIVE_SCAN_INTERVAL: must be greater than 0")
	case c.QuietPeriod <= 0:
		return errors.New("UPDATES_QUIET_PERIOD: must be greater than 0")
	}
	return c.Config.Validate()
}
