package vault

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
)

// set is what a document says.
type set struct {
	accounts map[string]Account
	data     []Account // those with market data
}

func (s set) account(id string) (Account, error) {
	account, ok := s.accounts[id]
	if !ok {
		return Account{}, ErrAccountNotFound
	}
	return account, nil
}

func (s set) list() []Account {
	return slices.SortedFunc(maps.Values(s.accounts), func(a, b Account) int { return cmp.Compare(a.ID, b.ID) })
}

// entry is an account as the document writes it.
type entry struct {
	ID          string   `json:"id"`
	Type        string   `json:"type"`
	KeyID       string   `json:"key_id"`
	SecretKey   string   `json:"secret_key"`
	Permissions []string `json:"permissions"`
	MarketData  bool     `json:"market_data"`
}

// Marshal writes accounts as the document that a store reads.
func Marshal(accounts []Account) ([]byte, error) {
	var document struct {
		Accounts []entry `json:"accounts"`
	}
	for _, account := range accounts {
		e := entry{
			ID: account.ID, Type: account.Type, KeyID: account.Credentials.KeyID, SecretKey: account.Credentials.SecretKey,
			MarketData: account.MarketData,
		}
		for _, permission := range account.Permissions {
			e.Permissions = append(e.Permissions, string(permission))
		}
		document.Accounts = append(document.Accounts, e)
	}
	return json.MarshalIndent(document, "", "  ")
}

// parse reads a document. Its error names the entry and field at fault, never a secret.
func parse(content []byte) (set, error) {
	var document struct {
		Accounts []entry `json:"accounts"`
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		return set{}, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return set{}, errors.New("data after the JSON document")
	}
	if len(document.Accounts) == 0 {
		return set{}, errors.New("no accounts")
	}
	read := set{accounts: make(map[string]Account, len(document.Accounts))}
	for i, e := range document.Accounts {
		account, err := e.account()
		if err != nil {
			return set{}, fmt.Errorf("accounts[%d] (%q): %w", i, e.ID, err)
		}
		if _, ok := read.accounts[account.ID]; ok {
			return set{}, fmt.Errorf("accounts[%d]: id %q stands twice", i, e.ID)
		}
		read.accounts[account.ID] = account
		if account.MarketData {
			read.data = append(read.data, account)
		}
	}
	if len(read.data) == 0 {
		return set{}, errors.New("no account has market_data: true; quotes need at least one")
	}
	return read, nil
}

// validID keeps IDs usable in keys, labels and URLs.
func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i, c := range []byte(id) {
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && (i == 0 || (c != '.' && c != '_' && c != '-')) {
			return false
		}
	}
	return true
}

func (e entry) account() (Account, error) {
	if !validID(e.ID) {
		return Account{}, errors.New("id: 1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit")
	}
	if e.Type == "" {
		e.Type = TypePaper
	}
	if e.Type != TypePaper && e.Type != TypeLive {
		return Account{}, fmt.Errorf("type: %q is neither %q nor %q", e.Type, TypePaper, TypeLive)
	}
	if e.KeyID == "" || e.SecretKey == "" {
		return Account{}, errors.New("key_id and secret_key: both are required")
	}
	account := Account{
		ID: e.ID, Type: e.Type, MarketData: e.MarketData,
		Credentials: alpaca.Credentials{KeyID: e.KeyID, SecretKey: e.SecretKey, AccountID: e.ID},
	}
	for _, name := range e.Permissions {
		permission, err := auth.ParsePermission(name)
		if err != nil {
			return Account{}, fmt.Errorf("permissions: %w", err)
		}
		account.Permissions = append(account.Permissions, permission)
	}
	return account, nil
}
