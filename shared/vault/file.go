package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"

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
	set      set
	modified time.Time
	size     int64
	checked  time.Time
}

var _ Store = (*File)(nil)

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
	return f.set.account(id)
}

// List returns all accounts in the order of their IDs.
func (f *File) List(context.Context) ([]Account, error) {
	f.refresh()
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.set.list(), nil
}

// MarketData returns the accounts whose key pairs serve market-data reads.
func (f *File) MarketData(context.Context) ([]Account, error) {
	f.refresh()
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.set.data, nil
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
	read, err := parse(content)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set, f.modified, f.size = read, info.ModTime(), info.Size()
	return nil
}
