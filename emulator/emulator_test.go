package emulator_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	keyID     = "PKTEST0001"
	secretKey = "test-secret"
)

// start runs an emulator with one account, without limits, latency and partial fills unless change says otherwise.
func start(t testing.TB, change func(*emulator.Config)) *emulator.Emulator {
	t.Helper()
	config := emulator.Config{
		Accounts:     []emulator.Account{{KeyID: keyID, SecretKey: secretKey}},
		TradingLimit: -1, DataLimit: -1, FillLatency: -1, PartialFillProbability: -1, Seed: 1,
	}
	if change != nil {
		change(&config)
	}
	alpaca, err := emulator.New(config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := alpaca.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := alpaca.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return alpaca
}

// client has its own connections, which end with the test.
func client(t testing.TB) *http.Client {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func expect[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}
