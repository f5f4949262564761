package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

const (
	module    = "github.com/opitios-ai/alpaca-knative"
	jwtSecret = "chaos-0123456789abcdef0123456789abcdef"
	masters   = 3
)

// trader is one account that trades.
type trader struct {
	id, keyID, token string
}

// world is everything that runs.
type world struct {
	settings     Settings
	folder       string
	accountsFile string
	traders      []trader // accounts that many clients share
	desks        []trader // accounts that one has to himself
	listing      *listing
	issuer       *auth.Issuer
	redis        *redisprocess.Cluster
	alpaca       *alpacaAPI
	collector    *collector
	orders       []*process
	sources      []*process
}

// newWorld starts everything, or nothing.
func newWorld(ctx context.Context, settings Settings) (_ *world, err error) {
	w := &world{settings: settings}
	defer func() {
		if err != nil {
			w.stop()
		}
	}()
	if w.folder = settings.Keep; w.folder == "" {
		if w.folder, err = os.MkdirTemp("", "chaos-"); err != nil {
			return nil, err
		}
	}
	for _, step := range []func(context.Context) error{w.build, w.startRedis, w.openAccounts, w.startAlpaca, w.startCollector, w.startFunctions} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// build compiles the programs once.
func (w *world) build(ctx context.Context) error {
	for name, path := range map[string]string{"order": "functions/order/cmd", "account": "functions/account/cmd", "emulator": "emulator/cmd"} {
		command := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(w.folder, name), module+"/"+path)
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, output)
		}
	}
	return nil
}

func (w *world) startRedis(ctx context.Context) (err error) {
	// A failover takes a second or two; a replica takes over however old its copy is; half a cluster serves its half.
	w.redis, err = redisprocess.StartCluster(ctx, masters, true, "--cluster-node-timeout", "1500",
		"--cluster-replica-validity-factor", "0", "--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0")
	return err
}

func (w *world) openAccounts(context.Context) error {
	keys, err := auth.LoadKeys(auth.KeyConfig{Secret: jwtSecret})
	if err != nil {
		return err
	}
	if w.issuer, err = auth.NewIssuer(keys, 0, clock.System{}); err != nil {
		return err
	}
	permissions := []auth.Permission{auth.PermissionTrade, auth.PermissionAccountRead}
	if w.listing, err = newListing(time.Now()); err != nil {
		return err
	}
	var accounts []vault.Account
	for i := range w.accounts() {
		t := trader{id: fmt.Sprintf("chaos-%04d", i+1), keyID: fmt.Sprintf("PKEMULATOR%010d", i+1)}
		if t.token, _, err = w.issuer.Issue(t.id, "", permissions); err != nil {
			return err
		}
		if i < w.settings.Accounts {
			w.traders = append(w.traders, t)
		} else {
			w.desks = append(w.desks, t)
		}
		accounts = append(accounts, vault.Account{
			ID: t.id, Type: vault.TypePaper, MarketData: i == 0, Permissions: permissions,
			Credentials: alpaca.Credentials{KeyID: t.keyID, SecretKey: fmt.Sprintf("emulator-secret-%010d", i+1)},
		})
	}
	content, err := vault.Marshal(accounts)
	if err != nil {
		return err
	}
	w.accountsFile = filepath.Join(w.folder, "accounts.json")
	return os.WriteFile(w.accountsFile, content, 0o600)
}

// accounts is how many there are of both sorts.
func (w *world) accounts() int {
	return w.settings.Accounts + (w.settings.Accounts+accountsPerDesk-1)/accountsPerDesk
}

// everybody is who has an account.
func (w *world) everybody() []trader {
	return append(w.traders[:len(w.traders):len(w.traders)], w.desks...)
}

func (w *world) startAlpaca(ctx context.Context) error {
	public, err := freePort()
	if err != nil {
		return err
	}
	private, err := freePort()
	if err != nil {
		return err
	}
	p := &process{
		name: "emulator", program: filepath.Join(w.folder, "emulator"), folder: w.folder, port: public,
		arguments: []string{
			"-addr", "127.0.0.1:" + strconv.Itoa(public), "-admin-addr", "127.0.0.1:" + strconv.Itoa(private),
			"-accounts", strconv.Itoa(w.accounts()), "-trading-limit", "-1", "-data-limit", "-1",
			"-seed", strconv.FormatUint(w.settings.Seed, 10), "-event-history", "100000", "-heartbeat", "5s",
		},
	}
	w.alpaca = &alpacaAPI{process: p, url: p.url(), admin: "http://127.0.0.1:" + strconv.Itoa(private)}
	if err := p.start(); err != nil {
		return err
	}
	return await(ctx, "the emulator", w.alpaca.admin+"/emulator/healthz")
}

func (w *world) startCollector(context.Context) (err error) {
	w.collector, err = newCollector(w.settings.Seed)
	return err
}

func (w *world) startFunctions(ctx context.Context) error {
	for i := range orderFunctions {
		p, err := w.function("order", i)
		if err != nil {
			return err
		}
		w.orders = append(w.orders, p)
	}
	for i := range updateSources {
		p, err := w.function("account", i, "updates")
		if err != nil {
			return err
		}
		w.sources = append(w.sources, p)
	}
	for _, p := range w.functions() {
		if err := await(ctx, p.name, p.url()+"/readyz"); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) function(program string, number int, arguments ...string) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p := &process{
		name: fmt.Sprintf("%s-%d", program, number+1), program: filepath.Join(w.folder, program), arguments: arguments,
		env: w.environment(), port: port, folder: w.folder,
	}
	return p, p.start()
}

// functions are the programs under test.
func (w *world) functions() []*process {
	return append(w.orders[:len(w.orders):len(w.orders)], w.sources...)
}

// stop ends everything at once.
func (w *world) stop() {
	for _, p := range w.functions() {
		p.kill()
	}
	if w.collector != nil {
		w.collector.stop()
	}
	if w.alpaca != nil {
		w.alpaca.process.kill()
	}
	if w.redis != nil {
		w.redis.Stop()
	}
	if w.settings.Keep == "" && w.folder != "" {
		_ = os.RemoveAll(w.folder)
	}
}

// drainFunctions ends the functions as a rollout does.
func (w *world) drainFunctions() error {
	var failed []error
	for _, p := range w.functions() {
		failed = append(failed, p.stop())
	}
	return errors.Join(failed...)
}

// rest is a bound for one small step of the run.
const rest = 5 * time.Second
