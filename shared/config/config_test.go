package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/config"
)

type settings struct {
	URL     string        `env:"REDIS_URL,required,notEmpty"`
	Secret  config.Secret `env:"JWT_SECRET"`
	Timeout time.Duration `env:"TIMEOUT" envDefault:"5s"`
	Limit   int           `env:"LIMIT"`
}

func (s *settings) Validate() error {
	if s.Limit < 0 {
		return errors.New("LIMIT: must not be negative")
	}
	return nil
}

func TestLoad(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		environ map[string]string
		want    string // part of the error, "" for none
	}{
		{"complete", map[string]string{"REDIS_URL": "redis://x", "LIMIT": "3"}, ""},
		{"missing", map[string]string{}, "REDIS_URL"},
		{"empty", map[string]string{"REDIS_URL": ""}, "REDIS_URL"},
		{"malformed", map[string]string{"REDIS_URL": "x", "LIMIT": "many"}, "LIMIT: want int"},
		{"out of range", map[string]string{"REDIS_URL": "x", "LIMIT": "-1"}, "LIMIT: must not be negative"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got settings
			err := config.Load(&got, c.environ)
			if c.want == "" {
				if err != nil || got.Timeout != 5*time.Second {
					t.Fatalf("got %+v, %v", got, err)
				}
				return
			}
			if !errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want it to name %s", err, c.want)
			}
		})
	}
}

func TestLoadErrorShowsNoValue(t *testing.T) {
	t.Parallel()
	var got settings
	err := config.Load(&got, map[string]string{"REDIS_URL": "x", "LIMIT": "hunter2secret"})
	if err == nil || strings.Contains(err.Error(), "hunter2secret") {
		t.Fatalf("error shows the value: %v", err)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	s := settings{Secret: "hunter2"}
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %s %q", s, s, s.Secret, s.Secret), string(encoded)} {
		if strings.Contains(shown, "hunter2") {
			t.Errorf("secret shown in %s", shown)
		}
	}
	if s.Secret.Reveal() != "hunter2" {
		t.Error("Reveal must return the secret")
	}
}
