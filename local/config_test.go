package local_test

import (
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/local"
	"github.com/opitios-ai/alpaca-knative/shared/config"
)

func TestConfigNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for variable, environ := range map[string]map[string]string{
		"ADDR":              {"ADDR": "8080"},
		"ACCOUNTS":          {"ACCOUNTS": "0"},
		"ALPACA_SECRET_KEY": {"ALPACA_KEY_ID": "k"},
		"QUOTES_PER_SECOND": {"QUOTES_PER_SECOND": "-1"},
		"REDIS_URL":         {"REDIS_URL": "nowhere"},
		"SEED":              {"SEED": "lucky"},
	} {
		var cfg local.Config
		if err := config.Load(&cfg, environ); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("%v: %v, want it to name %s", environ, err, variable)
		}
	}
	var cfg local.Config
	if err := config.Load(&cfg, map[string]string{}); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
}
