package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

const (
	benchAccount = "bench-1"
	benchSecret  = "bench-secret-of-at-least-32-bytes"
	// waitLimit bounds every wait for a process.
	waitLimit = 10 * time.Second
)

// backing is what a function needs around it: a real Redis, an emulated Alpaca, an accounts file and a token.
type backing struct {
	folder    string
	redis     *exec.Cmd
	redisPort int
	emulator  *emulator.Emulator
	environ   []string
	token     string   // of bench-1
	tokens    []string // of every account
}

func startBacking(ctx context.Context, _ string) (*backing, error) {
	folder, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	b := &backing{folder: folder}
	port, err := freePort(ctx)
	b.redisPort = port
	if err == nil {
		err = b.startRedis(ctx, port)
	}
	if err == nil {
		err = b.startEmulator(ctx)
	}
	if err == nil {
		err = b.writeAccounts(port, b.emulator.URL(), alpaca.Credentials{KeyID: "PKBENCH", SecretKey: "bench"})
	}
	if err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func (b *backing) startRedis(ctx context.Context, port int) error {
	b.redis = exec.CommandContext(ctx, "redis-server", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no", "--dir", b.folder)
	if err := b.redis.Start(); err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	_, err := dialWhenListening(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return err
}

func (b *backing) startEmulator(ctx context.Context) error {
	var err error
	b.emulator, err = emulator.New(emulator.Config{
		Accounts: []emulator.Account{{KeyID: "PKBENCH", SecretKey: "bench"}}, TradingLimit: -1, DataLimit: -1,
	}, zap.NewNop())
	if err != nil {
		return err
	}
	return b.emulator.Start(ctx)
}

// writeAccounts makes an account for each of the credentials, bench-1 and so on, and their tokens.
func (b *backing) writeAccounts(redisPort int, alpacaURL string, credentials ...alpaca.Credentials) error {
	permissions := []auth.Permission{auth.PermissionTrade, auth.PermissionMarketData, auth.PermissionAccountRead}
	keys, err := auth.LoadKeys(auth.KeyConfig{Secret: benchSecret})
	if err != nil {
		return err
	}
	issuer, err := auth.NewIssuer(keys, 0, clock.System{})
	if err != nil {
		return err
	}
	var held []vault.Account
	for i, c := range credentials {
		id := "bench-" + strconv.Itoa(i+1)
		held = append(held, vault.Account{ID: id, Type: vault.TypePaper, MarketData: true, Permissions: permissions, Credentials: c})
		token, _, err := issuer.Issue(id, id, permissions)
		if err != nil {
			return err
		}
		b.tokens = append(b.tokens, token)
	}
	b.token = b.tokens[0]
	content, err := vault.Marshal(held)
	if err != nil {
		return err
	}
	accounts := filepath.Join(b.folder, "accounts.json")
	if err := os.WriteFile(accounts, content, 0o600); err != nil {
		return err
	}
	b.environ = []string{
		"HOST=127.0.0.1", "REDIS_URL=redis://127.0.0.1:" + strconv.Itoa(redisPort), "ACCOUNTS_FILE=" + accounts,
		"JWT_SECRET=" + benchSecret, "K_SINK=http://127.0.0.1:9", "LOG_LEVEL=error",
		"ALPACA_TRADING_URL=" + alpacaURL, "ALPACA_DATA_URL=" + alpacaURL, "ACCOUNT_READS_PER_MINUTE=100000",
		"ALPACA_TRADING_REQUESTS_PER_MINUTE=100000",
	}
	return nil
}

func (b *backing) stop() {
	if b.emulator != nil {
		_ = b.emulator.Stop(context.Background()) // the program ends
	}
	if b.redis != nil && b.redis.Process != nil {
		_ = b.redis.Process.Kill()
		_ = b.redis.Wait() // killed on purpose
	}
	_ = os.RemoveAll(b.folder)
}

func freePort(ctx context.Context) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// dialWhenListening connects as soon as somebody listens, and returns when that was.
func dialWhenListening(ctx context.Context, address string) (time.Time, error) {
	limit := time.Now().Add(waitLimit)
	for time.Now().Before(limit) && ctx.Err() == nil {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			at := time.Now()
			return at, connection.Close()
		}
		time.Sleep(200 * time.Microsecond)
	}
	return time.Time{}, errors.New("nobody listens on " + address)
}
