package platform_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const accounts = `{"accounts":[{"id":"ACC001","key_id":"PK","secret_key":"hidden","market_data":true}]}`

// settings are a valid configuration with an accounts file, an upstream that answers 404, and no Redis.
func settings(t *testing.T) platform.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(path, []byte(accounts), 0o600); err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(upstream.Close)
	cfg, err := load(map[string]string{"ACCOUNTS_FILE": path, "ALPACA_TRADING_URL": upstream.URL, "ALPACA_DATA_URL": upstream.URL, "DRAIN_QUIET_PERIOD": "1ms"})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func dependencies() platform.Dependencies {
	registry := prometheus.NewRegistry()
	return platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{})
}

func newPlatform(t *testing.T, cfg platform.Config) *platform.Platform {
	t.Helper()
	p, err := platform.New(cfg, dependencies())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMain looks for goroutines that a Stop left behind.
func TestStartsAndStopsWithoutRedis(t *testing.T) {
	for _, sink := range []string{"", "http://127.0.0.1:1"} {
		cfg := settings(t)
		cfg.Sink = sink
		p := newPlatform(t, cfg)
		if (p.Relay != nil) != (sink != "") {
			t.Errorf("sink %q: relay %v", sink, p.Relay)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if ready, err := p.Ready(t.Context()); !ready || err != nil {
			t.Errorf("ready %t, %v", ready, err)
		}
		if alive, err := p.Alive(t.Context()); !alive || err != nil {
			t.Errorf("alive %t, %v", alive, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_ = p.Stop(ctx) // what is in the outbox, nobody can say
		cancel()
	}
}

func TestStopEndsTheBackgroundWork(t *testing.T) {
	p := newPlatform(t, settings(t))
	begun, ended := make(chan struct{}), false
	p.Go(func(ctx context.Context) {
		close(begun)
		<-ctx.Done()
		ended = true
	})
	<-begun
	if err := p.Stop(t.Context()); err != nil || !ended {
		t.Fatalf("ended %t, %v", ended, err)
	}
}

func TestAccountsComeByEnvironment(t *testing.T) {
	cut := len(accounts) / 2
	cfg := settings(t)
	cfg.AccountsFile, cfg.AccountsJSON, cfg.AccountsJSON2 = "", config.Secret(accounts[:cut]), config.Secret(accounts[cut:])
	whole := newPlatform(t, cfg)
	if err := whole.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if listed, err := whole.Accounts.List(t.Context()); err != nil || len(listed) == 0 {
		t.Errorf("%v, %v", listed, err)
	}
	cfg.AccountsJSON2 = ""
	half := newPlatform(t, cfg)
	if err := half.Start(t.Context()); !errors.Is(err, vault.ErrFixed) {
		t.Errorf("half a document: %v", err)
	}
	for _, p := range []*platform.Platform{whole, half} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_ = p.Stop(ctx) // what is in the outbox, nobody can say
		cancel()
	}
}

func TestStartNeedsTheAccounts(t *testing.T) {
	cfg := settings(t)
	cfg.AccountsFile = filepath.Join(t.TempDir(), "none.json")
	p := newPlatform(t, cfg)
	if err := p.Start(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	for name, change := range map[string]func(*platform.Config){
		"REDIS_URL": func(c *platform.Config) { c.RedisURL = "http://u:hidden@x" },
		"K_SINK":    func(c *platform.Config) { c.Sink = "ftp://x" },
		"JWT":       func(c *platform.Config) { c.JWTSecret = "hidden" },
	} {
		cfg := settings(t)
		change(&cfg)
		_, err := platform.New(cfg, dependencies())
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMetricsAreServed(t *testing.T) {
	p := newPlatform(t, settings(t))
	defer p.Stop(t.Context())
	router := p.NewRouter("Test")
	recorder := httptest.NewRecorder()
	for range 2 {
		recorder = httptest.NewRecorder()
		router.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	}
	if body := recorder.Body.String(); recorder.Code != 200 || !strings.Contains(body, `api_requests_total{endpoint="/metrics",method="GET",status="200"} 1`) {
		t.Fatalf("%d %s", recorder.Code, body)
	}
}

// logs is a writer that tests read while the process writes.
type logs struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// whole is the smallest function: a platform and its router.
type whole struct {
	*platform.Platform
	http.Handler
}

func TestWholeLifeOfAProcess(t *testing.T) {
	cfg := settings(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out logs
	status := make(chan int, 1)
	go func() {
		status <- platform.Run(ctx, "test", &out, &cfg, func(d platform.Dependencies) (serve.Function, error) {
			p, err := platform.New(cfg, d)
			if err != nil {
				return nil, err
			}
			return whole{p, p.NewRouter("Test")}, nil
		})
	}()
	storetest.Eventually(t, "started", func() bool { return strings.Contains(out.String(), `"message":"started"`) })
	address := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(out.String())
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + address[1] + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != 200 || !bytes.Contains(body, []byte(`"openapi"`)) {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
	cancel()
	if got := <-status; got != 0 || !strings.Contains(out.String(), `"message":"stopped"`) {
		t.Errorf("exit status %d\n%s", got, out.String())
	}
	if strings.Contains(out.String(), "hidden") {
		t.Errorf("a secret in the log: %s", out.String())
	}
}

func TestProcessThatCannotStart(t *testing.T) {
	cfg := settings(t)
	fail := func(platform.Dependencies) (serve.Function, error) { return nil, errors.New("no such thing") }
	var out logs
	if got := platform.Run(t.Context(), "test", &out, &cfg, fail); got != 2 || !strings.Contains(out.String(), "no such thing") {
		t.Errorf("exit status %d\n%s", got, out.String())
	}
	cfg.LogLevel = "loud"
	if got := platform.Run(t.Context(), "test", &out, &cfg, fail); got != 2 || !strings.Contains(out.String(), "LOG_LEVEL") {
		t.Errorf("exit status %d\n%s", got, out.String())
	}
}

type ownConfig struct {
	platform.Config
}

func TestCheckConfig(t *testing.T) {
	build := func(ownConfig, platform.Dependencies) (serve.Function, error) { return nil, errors.New("not reached") }
	t.Setenv("REDIS_URL", "redis://127.0.0.1:1")
	t.Setenv("ACCOUNTS_FILE", "/nowhere")
	t.Setenv("JWT_SECRET", secret)
	if got := platform.Main("test", []string{"-check-config"}, build); got != 0 {
		t.Errorf("a valid configuration: %d", got)
	}
	if got := platform.Main("test", []string{"-no-such-flag"}, build); got != 2 {
		t.Errorf("an unknown flag: %d", got)
	}
	t.Setenv("PORT", "none")
	if got := platform.Main("test", []string{"-check-config"}, build); got != 2 {
		t.Errorf("an invalid configuration: %d", got)
	}
}
