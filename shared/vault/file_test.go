package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// vaultFile is an accounts file with the clock and the logs of its reader.
type vaultFile struct {
	*vault.File
	path    string
	clock   *clock.Fake
	logs    *observer.ObservedLogs
	written time.Time
}

func newFile(t *testing.T) *vaultFile {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	now := time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC)
	f := &vaultFile{path: filepath.Join(t.TempDir(), "accounts.json"), clock: clock.NewFake(now), logs: logs, written: now}
	f.File = vault.NewFile(f.path, f.clock, zap.New(core))
	return f
}

// write replaces the file; each time it is a second newer.
func (f *vaultFile) write(t *testing.T, content []byte) {
	t.Helper()
	if err := os.WriteFile(f.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f.written = f.written.Add(time.Second)
	if err := os.Chtimes(f.path, f.written, f.written); err != nil {
		t.Fatal(err)
	}
}

func (f *vaultFile) has(t *testing.T, id string) bool {
	t.Helper()
	account, err := f.Account(t.Context(), id)
	if err != nil && !errors.Is(err, vault.ErrAccountNotFound) {
		t.Fatal(err)
	}
	return err == nil && account.ID == id
}

func marshal(t *testing.T, ids ...string) []byte {
	t.Helper()
	var accounts []vault.Account
	for _, id := range ids {
		accounts = append(accounts, vault.Account{
			ID: id, Type: vault.TypeLive, Credentials: alpaca.Credentials{KeyID: "PK" + id, SecretKey: "secret-of-" + id}, MarketData: id == ids[0],
			Permissions: []auth.Permission{auth.PermissionTrade, auth.PermissionMarketData},
		})
	}
	content, err := vault.Marshal(accounts)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestBadDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"empty": "EOF", "not-json": "invalid character", "cut-off": "unexpected EOF", "trailing": "data after", "array": "cannot unmarshal array",
		"no-accounts": "no accounts", "unknown-field": `unknown field "paper"`, "number-id": "id of type string",
		"no-id": "accounts[0] (\"\"): id: ", "odd-id": "accounts[0] (\"a{b}\"): id: ", "dot-id": "id: ", "long-id": "id: 1 to 64",
		"odd-type": `type: "demo"`, "no-key": "key_id and secret_key", "no-secret": "key_id and secret_key",
		"secret-number": "secret_key of type string", "odd-permission": "permissions: ", "twice": `accounts[1]: id "a" stands twice`,
		"no-market-data": "market_data: true",
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != len(tests) {
		t.Fatalf("%d files for %d tests, %v", len(files), len(tests), err)
	}
	for name, want := range tests {
		path := filepath.Join("testdata", name+".json")
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for source, load := range map[error]func() error{
			vault.ErrFile:  vault.NewFile(path, clock.System{}, zap.NewNop()).Load,
			vault.ErrFixed: vault.NewFixed(string(content)).Load,
		} {
			t.Run(source.Error()+"/"+name, func(t *testing.T) {
				t.Parallel()
				err := load()
				if !errors.Is(err, source) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), source.Error()) {
					t.Fatalf("got %v, want %q", err, want)
				}
				for _, secret := range []string{"hunter2", "PKHIDDEN", "70077007"} {
					if strings.Contains(err.Error(), secret) {
						t.Fatalf("a credential in the error: %v", err)
					}
				}
			})
		}
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	if err := f.Load(); !errors.Is(err, vault.ErrFile) || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}

func TestChangedFileIsTakenOver(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	f.write(t, marshal(t, "a", "b"))
	if err := f.Load(); err != nil {
		t.Fatal(err)
	}
	f.write(t, marshal(t, "a", "c"))
	f.clock.Advance(4 * time.Second)
	if !f.has(t, "b") || f.has(t, "c") {
		t.Fatal("the file was looked at too soon")
	}
	f.clock.Advance(time.Second)
	if f.has(t, "b") || !f.has(t, "c") {
		t.Fatal("the changed file was not taken over")
	}
	f.write(t, marshal(t, "d"))
	f.clock.Advance(5 * time.Second)
	if all, err := f.List(t.Context()); err != nil || len(all) != 1 || all[0].ID != "d" {
		t.Fatalf("List does not see the change: %v, %v", all, err)
	}
	f.write(t, marshal(t, "e"))
	f.clock.Advance(5 * time.Second)
	if data, err := f.MarketData(t.Context()); err != nil || data[0].ID != "e" {
		t.Fatalf("MarketData does not see the change: %v, %v", data, err)
	}
}

func TestFaultyChangeKeepsTheFormerAccounts(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	f.write(t, marshal(t, "a"))
	if err := f.Load(); err != nil {
		t.Fatal(err)
	}
	faults := []func(){
		func() { f.write(t, []byte(`{"accounts":[{"id":"a","key_id":"PKHIDDEN","secret_key":"hunter2-secret"`)) },
		func() { f.write(t, []byte(`{"accounts":[]}`)) },
		func() {
			if err := os.Remove(f.path); err != nil {
				t.Fatal(err)
			}
		},
	}
	for i, fault := range faults {
		fault()
		f.clock.Advance(5 * time.Second)
		for range 3 {
			if !f.has(t, "a") {
				t.Fatalf("fault %d: the account is gone", i)
			}
		}
		if n := f.logs.FilterLevelExact(zapcore.ErrorLevel).Len(); n != i+1 {
			t.Fatalf("fault %d: %d errors in the log", i, n)
		}
	}
	for _, entry := range f.logs.All() {
		if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, "hunter2") || strings.Contains(text, "secret-of") {
			t.Fatalf("a secret in the log: %s", text)
		}
	}
	f.write(t, marshal(t, "b"))
	f.clock.Advance(5 * time.Second)
	if f.has(t, "a") || !f.has(t, "b") {
		t.Fatal("the mended file was not taken over")
	}
}

func TestReadersMeetAReload(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	f.write(t, marshal(t, "a"))
	if err := f.Load(); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 50 {
				f.clock.Advance(time.Second)
				if _, err := f.Account(t.Context(), "a"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 5 {
		f.write(t, marshal(t, "a", "b"))
	}
	wait.Wait()
}

func TestPrintedAccountHasNoSecret(t *testing.T) {
	t.Parallel()
	a := vault.Account{ID: "a", Credentials: alpaca.Credentials{KeyID: "PK", SecretKey: "hunter2-secret"}}
	for _, text := range []string{fmt.Sprint(a), fmt.Sprintf("%+v", a), fmt.Sprintf("%#v", a)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s", text)
		}
	}
}
