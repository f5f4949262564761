package local

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// demoAccounts makes the accounts of a run: their names are always the same, their keys never.
func demoAccounts(cfg *Config) []vault.Account {
	permissions := []auth.Permission{auth.PermissionTrade, auth.PermissionMarketData, auth.PermissionAccountRead}
	if cfg.paper() {
		return []vault.Account{{
			ID: "paper", Type: vault.TypePaper, Permissions: permissions, MarketData: true,
			Credentials: alpaca.Credentials{KeyID: cfg.KeyID, SecretKey: cfg.SecretKey.Reveal()},
		}}
	}
	accounts := make([]vault.Account, cfg.Accounts)
	for i := range accounts {
		accounts[i] = vault.Account{
			ID: fmt.Sprintf("demo-%04d", i+1), Type: vault.TypePaper, Permissions: permissions, MarketData: true,
			Credentials: alpaca.Credentials{KeyID: "PK" + randomHex(9), SecretKey: randomHex(20)},
		}
	}
	return accounts
}

func emulatorAccounts(accounts []vault.Account) []emulator.Account {
	emulated := make([]emulator.Account, len(accounts))
	for i, account := range accounts {
		emulated[i] = emulator.Account{KeyID: account.Credentials.KeyID, SecretKey: account.Credentials.SecretKey}
	}
	return emulated
}

func randomHex(bytes int) string {
	random := make([]byte, bytes)
	_, _ = rand.Read(random) // crypto/rand never fails: it ends the program instead
	return hex.EncodeToString(random)
}
