package limits

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/functions/account"
	"github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// fleet is what a cluster has: several order functions and an account function, each with its own copy of everything, on
// one Redis and one Alpaca.
type fleet struct {
	t          *testing.T
	emulated   *emulator.Emulator
	orders     []http.Handler
	registries []*prometheus.Registry
	accounts   http.Handler
	// environment configures all of them.
	environment map[string]string
	// client asks Alpaca past us.
	client *alpaca.Client
	tokens []string
	admin  string
}

const jwtSecret = "0123456789abcdef0123456789abcdef"

// newFleet starts one on server, all in this process; more are further settings as name and value.
func newFleet(t *testing.T, server *redisprocess.Server, more ...string) *fleet {
	t.Helper()
	w := newBase(t, server, more...)
	for range instances {
		var cfg order.Config
		if err := config.Load(&cfg, w.environment); err != nil {
			t.Fatal(err)
		}
		registry := prometheus.NewRegistry()
		function, err := order.New(cfg, platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{}))
		w.run(function, err)
		w.orders, w.registries = append(w.orders, function), append(w.registries, registry)
	}
	return w
}

// newBase starts a fleet without order functions.
func newBase(t *testing.T, server *redisprocess.Server, more ...string) *fleet {
	t.Helper()
	w := &fleet{t: t, emulated: startFast(t)}
	environment := map[string]string{
		"HOST": "127.0.0.1", "PORT": "0", "REDIS_URL": "redis://" + server.Address(), "ACCOUNTS_FILE": accountsFile(t), "JWT_SECRET": jwtSecret,
		"ALPACA_TRADING_URL": w.emulated.URL(), "ALPACA_DATA_URL": w.emulated.URL(), "K_SINK": "http://127.0.0.1:9", "ORDERS_PER_MINUTE": "1000",
		"ACCOUNT_READS_PER_MINUTE": "100000",
	}
	for i := 0; i+1 < len(more); i += 2 {
		environment[more[i]] = more[i+1]
	}
	w.environment = environment
	var cfg account.Config
	if err := config.Load(&cfg, environment); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	function, err := account.New(cfg, platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{}))
	w.run(function, err)
	w.accounts = function
	w.client, err = alpaca.New(alpaca.Config{TradingURL: w.emulated.URL(), DataURL: w.emulated.URL()}, alpaca.Dependencies{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	w.issueTokens()
	return w
}

// run starts a function and ends it with the test.
func (w *fleet) run(function interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := function.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = function.Stop(ctx) // the sink refuses what is left in the outbox
	})
}

func (w *fleet) issueTokens() {
	w.t.Helper()
	keys, err := auth.LoadKeys(auth.KeyConfig{Secret: jwtSecret})
	if err != nil {
		w.t.Fatal(err)
	}
	issuer, err := auth.NewIssuer(keys, 0, clock.System{})
	if err != nil {
		w.t.Fatal(err)
	}
	issue := func(subject string, permissions ...auth.Permission) string {
		token, _, err := issuer.Issue(subject, "", permissions)
		if err != nil {
			w.t.Fatal(err)
		}
		return token
	}
	for i := range killSwitchAccounts {
		w.tokens = append(w.tokens, issue(accountID(i), auth.PermissionTrade, auth.PermissionAccountRead))
	}
	w.admin = issue(accountID(0), auth.PermissionAdmin)
}

func accountsFile(t *testing.T) string {
	t.Helper()
	var accounts []vault.Account
	for i := range killSwitchAccounts {
		accounts = append(accounts, vault.Account{
			ID: accountID(i), Type: vault.TypePaper, MarketData: true, Credentials: alpaca.Credentials{KeyID: keyID(i), SecretKey: "secret"},
		})
	}
	content, err := vault.Marshal(accounts)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
