package platform_test

import (
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

const secret = "0123456789abcdef0123456789abcdef-hidden"

// load reads a configuration from variables beside the required ones; "-" leaves one out.
func load(changes map[string]string) (platform.Config, error) {
	environment := map[string]string{
		"REDIS_URL": "redis://127.0.0.1:1", "ACCOUNTS_FILE": "/nowhere/accounts.json", "JWT_SECRET": secret, "HOST": "127.0.0.1", "PORT": "0",
	}
	for name, value := range changes {
		environment[name] = value
		if value == "-" {
			delete(environment, name)
		}
	}
	var cfg platform.Config
	return cfg, config.Load(&cfg, environment)
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, variable, value, want string }{
		{"no Redis", "REDIS_URL", "-", "REDIS_URL"},
		{"empty Redis", "REDIS_URL", "", "REDIS_URL"},
		{"no accounts", "ACCOUNTS_FILE", "-", "ACCOUNTS_FILE or ACCOUNTS_JSON: exactly one"},
		{"accounts by file and by variable", "ACCOUNTS_JSON", "{hidden}", "ACCOUNTS_FILE or ACCOUNTS_JSON: exactly one"},
		{"a file and a piece of a document", "ACCOUNTS_JSON_3", "{hidden}", "ACCOUNTS_JSON_3: not beside ACCOUNTS_FILE"},
		{"no key", "JWT_SECRET", "-", "JWT_SECRET or JWT_KEYS_FILE"},
		{"a port that is none", "PORT", "65536", "PORT"},
		{"a duration without unit", "STOP_TIMEOUT", "4", "STOP_TIMEOUT"},
		{"no stop timeout", "STOP_TIMEOUT", "0s", "STOP_TIMEOUT: must be greater than 0"},
		{"no quiet period", "DRAIN_QUIET_PERIOD", "0s", "DRAIN_QUIET_PERIOD: must be greater than 0"},
		{"a negative token life", "TOKEN_LIFE", "-1h", "TOKEN_LIFE: must be greater than 0"},
		{"no upstream timeout", "UPSTREAM_TIMEOUT", "0s", "UPSTREAM_TIMEOUT: must be greater than 0"},
		{"no quotes", "QUOTES_PER_SECOND", "0", "QUOTES_PER_SECOND: must be greater than 0"},
		{"no orders", "ORDERS_PER_MINUTE", "-1", "ORDERS_PER_MINUTE: must be greater than 0"},
		{"no account reads", "ACCOUNT_READS_PER_MINUTE", "0", "ACCOUNT_READS_PER_MINUTE: must be greater than 0"},
		{"no trading requests", "ALPACA_TRADING_REQUESTS_PER_MINUTE", "0", "ALPACA_TRADING_REQUESTS_PER_MINUTE: must be greater than 0"},
		{"a negative reserve", "CANCEL_RESERVE", "-1", "CANCEL_RESERVE: must be from 0 to below"},
		{"a reserve of everything", "CANCEL_RESERVE", "200", "CANCEL_RESERVE: must be from 0 to below"},
		{"a limit that is no number", "ORDERS_PER_MINUTE", "many", "ORDERS_PER_MINUTE"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(map[string]string{test.variable: test.value})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Fatalf("a secret in the error: %v", err)
			}
		})
	}
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	cfg, err := load(map[string]string{"PORT": "-", "HOST": "::1"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Address() != "[::1]:8080" || cfg.Base().StopTimeout != 4*time.Second || cfg.TokenLife != 24*time.Hour {
		t.Errorf("%s, %s, %s", cfg.Address(), cfg.StopTimeout, cfg.TokenLife)
	}
	if cfg.OrdersPerMinute != 60 || cfg.TradingRequestsPerMinute != 200 || cfg.DataRequestsPerMinute != 200 || cfg.RequestsPerSecond != 10_000 {
		t.Errorf("limits %+v", cfg)
	}
}

func TestAccountsInPieces(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		pieces map[string]string
		want   string // "" for a valid configuration
	}{
		{"one", map[string]string{"ACCOUNTS_JSON": "{hidden}"}, ""},
		{"all", map[string]string{"ACCOUNTS_JSON": "{hid", "ACCOUNTS_JSON_2": "d", "ACCOUNTS_JSON_3": "en", "ACCOUNTS_JSON_4": "}"}, ""},
		{"no first", map[string]string{"ACCOUNTS_JSON_2": "{hidden}"}, "ACCOUNTS_FILE or ACCOUNTS_JSON: exactly one"},
		{"a gap", map[string]string{"ACCOUNTS_JSON": "{hid", "ACCOUNTS_JSON_3": "den}"}, "ACCOUNTS_JSON_2: is missing, while ACCOUNTS_JSON_3 is there"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.pieces["ACCOUNTS_FILE"] = "-"
			_, err := load(test.pieces)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hid") {
				t.Fatalf("got %v, want %q", err, test.want)
			}
		})
	}
}
