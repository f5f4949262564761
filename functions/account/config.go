package account

import (
	"errors"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

// Config is the function's configuration. A zero value beside platform.Config means the default.
type Config struct {
	platform.Config
	// CacheTTL is how old a snapshot of balances or positions may be before Alpaca is asked again.
	CacheTTL time.Duration `env:"ACCOUNT_CACHE_TTL" envDefault:"2s"`
}

// defaultCacheTTL keeps the pollers of one kind of snapshot at 30 of the 200 requests a minute that Alpaca allows.
const defaultCacheTTL = 2 * time.Second

// Validate checks what the types can't.
func (c *Config) Validate() error {
	if c.CacheTTL < 0 || c.CacheTTL > snapshotLife {
		return errors.New("ACCOUNT_CACHE_TTL: must be from 0 to " + snapshotLife.String())
	}
	return c.Config.Validate()
}
