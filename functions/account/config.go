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
	// SessionLead is how long before the open and the close the preopen and closing events come.
	SessionLead time.Duration `env:"SESSION_LEAD" envDefault:"15m"`
}

// defaultCacheTTL keeps the pollers of one kind of snapshot at 30 of the 200 requests a minute that Alpaca allows.
const defaultCacheTTL = 2 * time.Second

// defaultSessionLead is time enough for everything to be warm at the open; maxSessionLead is what a half day's session
// has room for.
const (
	defaultSessionLead = 15 * time.Minute
	maxSessionLead     = 3 * time.Hour
)

// Validate checks what the types can't.
func (c *Config) Validate() error {
	if c.CacheTTL < 0 || c.CacheTTL > snapshotLife {
		return errors.New("ACCOUNT_CACHE_TTL: must be from 0 to " + snapshotLife.String())
	}
	if c.SessionLead < 0 || c.SessionLead > maxSessionLead {
		return errors.New("SESSION_LEAD: must be from 0 to " + maxSessionLead.String())
	}
	return c.Config.Validate()
}
