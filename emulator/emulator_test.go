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
func start(tb testing.TB, change func(*emulator.Config)) *emulator.Emulator {
	tb.Helper()
	config := emulator.Config{
		Accounts:     []emulator.Account{{KeyID: keyID, SecretKey: secretKey}},
		TradingLimit: -1, DataLimit: -1, FillLatency: -1, PartialFillProbability: -1, Seed: 1,
	}
	if change != nil {
		change(&config)
	}
	alpaca, err := emulator.New(config, zap.NewNop())
	if err != nil {
		tb.Fatal(err)
	}
	if err := alpaca.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := alpaca.Stop(ctx); err != nil {
			tb.Errorf("stop: %v", err)
		}
	})
	return alpaca
}

// client has its own connections, which end with the test.
func client(tb testing.TB) *http.Client {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func must[T any](tb testing.TB) func(T, error) T {
	tb.Helper()
	return func(value T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}

func expect[T comparable](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s = %v, want %v", what, got, want)
	}
}
