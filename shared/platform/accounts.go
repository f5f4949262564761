package platform

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// accountsParts are the pieces of the accounts' document in the environment, in order.
func (c *Config) accountsParts() []config.Secret {
	return []config.Secret{c.AccountsJSON, c.AccountsJSON2, c.AccountsJSON3, c.AccountsJSON4}
}

// validateAccounts wants one source of accounts, without a gap.
func (c *Config) validateAccounts() error {
	parts := c.accountsParts()
	if (c.AccountsFile == "") == (parts[0] == "") {
		return errors.New("ACCOUNTS_FILE or ACCOUNTS_JSON: exactly one is required")
	}
	for i := 1; i < len(parts); i++ {
		if parts[i] == "" {
			continue
		}
		if c.AccountsFile != "" {
			return fmt.Errorf("ACCOUNTS_JSON_%d: not beside ACCOUNTS_FILE", i+1)
		}
		if parts[i-1] == "" {
			return fmt.Errorf("ACCOUNTS_JSON_%d: is missing, while ACCOUNTS_JSON_%d is there", i, i+1)
		}
	}
	return nil
}

// openAccounts returns the store that the configuration names.
func openAccounts(cfg Config, d Dependencies) vault.Store {
	if cfg.AccountsFile != "" {
		return vault.NewFile(cfg.AccountsFile, d.Clock, d.Logger)
	}
	var document strings.Builder
	for _, part := range cfg.accountsParts() {
		document.WriteString(part.Reveal())
	}
	return vault.NewFixed(document.String())
}
