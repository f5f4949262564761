package vault_test

import (
	"errors"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// eachStore runs a test over every kind of store, loaded from document.
func eachStore(t *testing.T, document []byte, test func(*testing.T, vault.Store)) {
	t.Helper()
	file := newFile(t)
	file.write(t, document)
	for name, store := range map[string]vault.Store{"file": file, "fixed": vault.NewFixed(string(document))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := store.Load(); err != nil {
				t.Fatal(err)
			}
			test(t, store)
		})
	}
}

func TestAccountsAreReadBack(t *testing.T) {
	t.Parallel()
	eachStore(t, marshal(t, "a", "b"), func(t *testing.T, store vault.Store) {
		t.Helper()
		got, err := store.Account(t.Context(), "b")
		if err != nil || got.Type != vault.TypeLive || got.Credentials.KeyID != "PKb" || got.Credentials.SecretKey != "secret-of-b" ||
			len(got.Permissions) != 2 || got.Permissions[0] != auth.PermissionTrade || got.MarketData {
			t.Fatalf("%v, %v", got, err)
		}
		if data, err := store.MarketData(t.Context()); err != nil || len(data) != 1 || data[0].ID != "a" {
			t.Fatalf("%v, %v", data, err)
		}
		if _, err := store.Account(t.Context(), "c"); !errors.Is(err, vault.ErrAccountNotFound) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestTypeIsPaperUnlessSaid(t *testing.T) {
	t.Parallel()
	document := []byte(`{"accounts":[{"id":"a","key_id":"k","secret_key":"s","market_data":true}]}`)
	eachStore(t, document, func(t *testing.T, store vault.Store) {
		t.Helper()
		if got, err := store.Account(t.Context(), "a"); err != nil || got.Type != vault.TypePaper {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

func TestListIsInTheOrderOfIDs(t *testing.T) {
	t.Parallel()
	pair := alpaca.Credentials{KeyID: "PK", SecretKey: "s"}
	document, err := vault.Marshal([]vault.Account{
		{ID: "b", Credentials: pair}, {ID: "c", Credentials: pair, MarketData: true}, {ID: "a", Credentials: pair},
	})
	if err != nil {
		t.Fatal(err)
	}
	eachStore(t, document, func(t *testing.T, store vault.Store) {
		t.Helper()
		accounts, err := store.List(t.Context())
		if err != nil || len(accounts) != 3 || accounts[0].ID != "a" || accounts[1].ID != "b" || accounts[2].ID != "c" {
			t.Fatalf("got %v, %v", accounts, err)
		}
	})
}

// FuzzLoad also holds that both kinds of store take and refuse the same documents.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"accounts":[{"id":"a","key_id":"k","secret_key":"s","market_data":true,"permissions":["trade"]}]}`))
	f.Add([]byte(`{"accounts":null}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := newFile(t)
		file.write(t, content)
		fixed := vault.NewFixed(string(content))
		fileErr, fixedErr := file.Load(), fixed.Load()
		if (fileErr == nil) != (fixedErr == nil) || fileErr != nil && (!errors.Is(fileErr, vault.ErrFile) || !errors.Is(fixedErr, vault.ErrFixed)) {
			t.Fatalf("file: %v; fixed: %v", fileErr, fixedErr)
		}
		if fileErr != nil {
			return
		}
		for _, store := range []vault.Store{file, fixed} {
			if data, err := store.MarketData(t.Context()); err != nil || len(data) == 0 {
				t.Fatalf("taken without market data: %v, %v", data, err)
			}
		}
	})
}
