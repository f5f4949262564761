package controls

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
)

const (
	// recheck is how often, at most, the file is looked at: a changed limit holds within it.
	recheck = time.Second
	// maxFileBytes bounds the file: 1,000 accounts with every control take about 600 KiB.
	maxFileBytes = 16 << 20
)

// File keeps what the controls file says, and takes a changed file over within a second. A changed file with a fault is
// logged as an error, shown by controls_file_valid, and what held before stays. Safe for concurrent use.
type File struct {
	path    string
	minCash int
	clock   clock.Clock
	logger  *zap.Logger
	valid   prometheus.Gauge

	current atomic.Pointer[Set]
	checked atomic.Int64 // Unix nanoseconds

	mu       sync.Mutex
	modified time.Time
	size     int64
}

// NewFile returns the controls in path, which is not read before Load; without a path nothing is set beyond what is built
// in: minCash, in USD, is what a buy must leave.
func NewFile(path string, minCash int, clk clock.Clock, logger *zap.Logger, registerer prometheus.Registerer) *File {
	f := &File{path: path, minCash: minCash, clock: clk, logger: logger, valid: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "controls_file_valid", Help: "1 while the controls file is what holds, 0 after a change that can't be taken over.",
	})}
	f.valid.Set(1)
	registerer.MustRegister(f.valid)
	f.current.Store(builtin(minCash))
	return f
}

// Load reads the file. A function does not start with a file that it can't keep to.
func (f *File) Load() error {
	if f.path == "" {
		return nil
	}
	f.checked.Store(f.clock.Now().UnixNano())
	return f.load()
}

// Of returns what holds for the account now; it must not be changed.
func (f *File) Of(accountID string) *Account {
	f.refresh()
	return f.current.Load().Of(accountID)
}

// Ceilings returns what holds for all accounts together now; it must not be changed.
func (f *File) Ceilings() *risk.Ceilings {
	f.refresh()
	return f.current.Load().Ceilings()
}

// Changed is when the file that holds was last changed; zero without a file.
func (f *File) Changed() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.modified
}

func (f *File) refresh() {
	if f.path == "" {
		return
	}
	now, checked := f.clock.Now().UnixNano(), f.checked.Load()
	if now-checked < int64(recheck) || !f.checked.CompareAndSwap(checked, now) {
		return
	}
	if err := f.load(); err != nil {
		f.valid.Set(0)
		f.logger.Error("controls file not taken over, the former controls stay", zap.Error(err))
		return
	}
	f.valid.Set(1)
}

// load takes the file over if it changed.
func (f *File) load() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	defer func() { _ = file.Close() }() // read only: nothing can be lost
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	if info.ModTime().Equal(f.modified) && info.Size() == f.size {
		return nil
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	set, err := Parse(content, f.minCash)
	if err != nil {
		return err
	}
	f.current.Store(set)
	f.modified, f.size = info.ModTime(), info.Size()
	f.logger.Info("controls taken over", zap.Time("changed", f.modified), zap.Int("accounts", len(set.accounts)))
	return nil
}
