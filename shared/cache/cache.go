package cache

import (
	"context"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

// Config is what a Cache needs. All fields are required.
type Config struct {
	// Symbols is the most symbols of KindLatest that the process keeps; DocumentBytes the most bytes of all documents.
	Symbols       int
	DocumentBytes int
	// FetchTimeout bounds one read, whatever of it is Redis and what Alpaca.
	FetchTimeout time.Duration
	// WaitForOthers is how long a read waits for the instance that is fetching the same, before it does so itself, and
	// for anybody when there is something older that will do.
	WaitForOthers time.Duration
	Shared        *Shared
	Clock         clock.Clock
	Registerer    prometheus.Registerer
}

// memory is the part of an otter cache that is used. It is an interface because every package that can reach the
// concrete type compiles all of its generic code again, three seconds each.
type memory interface {
	GetIfPresent(key Key) (*entry, bool)
	Set(key Key, value *entry) (*entry, bool)
}

// Cache is the first level, in the memory of the process, and the way to the others. Make its groups before the first
// read; after that it may be used concurrently.
type Cache struct {
	config    Config
	latest    memory
	documents memory
	metrics   *telemetry.Cache
	stale     prometheus.Counter
	flights   flights

	life   context.Context //nolint:containedctx // of the reads under way: they end with Stop, not with the request that began them
	cancel context.CancelFunc
}

// Sized is a value that knows how many bytes it holds; Build makes documents that are.
type Sized interface{ Size() int }

// New returns a Cache without groups.
func New(config Config) (*Cache, error) {
	latest, err := otter.New(&otter.Options[Key, *entry]{MaximumSize: config.Symbols})
	if err != nil {
		return nil, fmt.Errorf("make the quote cache: %w", err)
	}
	documents, err := otter.New(&otter.Options[Key, *entry]{MaximumWeight: uint64(config.DocumentBytes), Weigher: weigh})
	if err != nil {
		return nil, fmt.Errorf("make the document cache: %w", err)
	}
	stale := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "quote_stale_total", Help: "Reads that failed upstream and were answered with something older.",
	})
	config.Registerer.MustRegister(stale)
	c := &Cache{config: config, latest: latest, documents: documents, metrics: telemetry.NewCache(config.Registerer), stale: stale}
	c.life, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// entryOverhead is about what an entry and its key take beside the document.
const entryOverhead = 512

func weigh(_ Key, e *entry) uint32 {
	size := entryOverhead
	if sized, ok := e.value.(Sized); ok {
		size += sized.Size()
	}
	return uint32(size)
}

func (c *Cache) memoryOf(key Key) memory {
	if key.Kind == KindLatest {
		return c.latest
	}
	return c.documents
}

// Stop ends the reads under way and waits for them.
func (c *Cache) Stop() {
	c.cancel()
	c.flights.stop()
}
