package account

import (
	"errors"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

// Config is the function's configuration.
type Config struct {
	platform.Config
	// CacheTTL is how old a snapshot of balances or positions may be before Alpaca is asked again.
	CacheTTL time.Duration `env:"ACCOUNT_CACHE_TTL" envDefault:"2s"`
}

// Validate checks what the types can't.
func (c *Config) Validate() error {
	if c.CacheTTL <= 0 || c.CacheTTL > snapshotLife {
		return errors.New("ACCOUNT_CACHE_TTL: must be greater than 0 and at most " + snapshotLife.String())
	}
	return c.Config.Validate()
}
