package vault_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

func TestListIsInTheOrderOfIDs(t *testing.T) {
	t.Parallel()
	pair := alpaca.Credentials{KeyID: "PK", SecretKey: "s"}
	content, err := vault.Marshal([]vault.Account{
		{ID: "b", Credentials: pair}, {ID: "c", Credentials: pair, MarketData: true}, {ID: "a", Credentials: pair},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file := vault.NewFile(path, clock.NewFake(time.Unix(0, 0)), zap.NewNop())
	if err := file.Load(); err != nil {
		t.Fatal(err)
	}
	accounts, err := file.List(t.Context())
	if err != nil || len(accounts) != 3 || accounts[0].ID != "a" || accounts[1].ID != "b" || accounts[2].ID != "c" {
		t.Fatalf("got %v, %v", accounts, err)
	}
}
