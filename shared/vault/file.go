package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

// ErrFile is wrapped by every error about the accounts file.
var ErrFile = errors.New("ACCOUNTS_FILE")

// recheck is how often, at most, the file is looked at for a change: a rotated Secret takes effect within it.
const recheck = 5 * time.Second

// maxFileBytes bounds the accounts file: 1,000 accounts take about 250 KiB.
const maxFileBytes = 64 << 20

// File is an account store in a JSON file, on a cluster a mounted Secret. A changed file is taken over within five
// seconds; a changed file with a fault is logged and the former accounts stay. Safe for concurrent use.
type File struct {
	path   string
	clock  clock.Clock
	logger *zap.Logger

	mu       sync.RWMutex
	accounts map[string]Account
	data     []Account
	modified time.Time
	size     int64
	checked  time.Time
}

var _ Accounts = (*File)(nil)

// NewFile returns the store in path, which is not read before Load.
func NewFile(path string, clk clock.Clock, logger *zap.Logger) *File {
	return &File{path: path, clock: clk, logger: logger}
}

// Load reads the accounts. Its error names the entry and field at fault, never a secret.
func (f *File) Load() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	if err := f.load(info); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checked = f.clock.Now()
	return nil
}

// Account returns the account with this ID, or ErrAccountNotFound.
func (f *File) Account(_ context.Context, id string) (Account, error) {
	f.refresh()
	f.mu.RLock()
	defer f.mu.RUnlock()
	account, ok := f.accounts[id]
	if !ok {
		return Account{}, ErrAccountNotFound
	}
	return account, nil
}

// MarketData returns the accounts whose key pairs serve market-data reads.
func (f *File) MarketData(context.Context) ([]Account, error) {
	f.refresh()
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.data, nil
}

// refresh takes a changed file over, looking at most once per recheck.
func (f *File) refresh() {
	now := f.clock.Now()
	f.mu.RLock()
	due := now.Sub(f.checked) >= recheck
	f.mu.RUnlock()
	if !due {
		return
	}
	f.mu.Lock()
	due = now.Sub(f.checked) >= recheck
	f.checked = now
	modified, size := f.modified, f.size
	f.mu.Unlock()
	if !due {
		return
	}
	info, err := os.Stat(f.path)
	if err == nil && info.ModTime().Equal(modified) && info.Size() == size {
		return
	}
	if err == nil {
		err = f.load(info)
	}
	if err != nil {
		f.logger.Error("accounts file not taken over, the former accounts stay", zap.Error(err))
	}
}

// load reads and validates the whole file before anything of it takes effect.
func (f *File) load(info os.FileInfo) error {
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	defer func() { _ = file.Close() }() // read only: nothing can be lost
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	accounts, data, err := parse(content)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accounts, f.data, f.modified, f.size = accounts, data, info.ModTime(), info.Size()
	return nil
}

// entry is an account as the file writes it.
type entry struct {
	ID          string   `json:"id"`
	Type        string   `json:"type"`
	KeyID       string   `json:"key_id"`
	SecretKey   string   `json:"secret_key"`
	Permissions []string `json:"permissions"`
	MarketData  bool     `json:"market_data"`
}

// Marshal writes accounts in the form that Load reads.
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

func parse(content []byte) (map[string]Account, []Account, error) {
	var document struct {
		Accounts []entry `json:"accounts"`
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&document); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, fmt.Errorf("%w: data after the JSON document", ErrFile)
	}
	if len(document.Accounts) == 0 {
		return nil, nil, fmt.Errorf("%w: no accounts", ErrFile)
	}
	accounts := make(map[string]Account, len(document.Accounts))
	var data []Account
	for i, e := range document.Accounts {
		account, err := e.account()
		if err != nil {
			return nil, nil, fmt.Errorf("%w: accounts[%d] (%q): %w", ErrFile, i, e.ID, err)
		}
		if _, ok := accounts[account.ID]; ok {
			return nil, nil, fmt.Errorf("%w: accounts[%d]: id %q stands twice", ErrFile, i, e.ID)
		}
		accounts[account.ID] = account
		if account.MarketData {
			data = append(data, account)
		}
	}
	if len(data) == 0 {
		return nil, nil, fmt.Errorf("%w: no account has market_data: true; quotes need at least one", ErrFile)
	}
	return accounts, data, nil
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
