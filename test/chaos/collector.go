package main

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// told is the first copy of an event that arrived.
type told struct {
	id, kind, sequence string
	cause              string // the event or request that asked for it
	order              event.OrderChanged
}

// collector is the broker that the functions publish to. It is a bad one: it refuses, answers late, and says that it
// failed after it took an event, so that publishers repeat themselves.
type collector struct {
	url    string
	server *http.Server
	down   atomic.Bool

	mu       sync.Mutex
	dice     *rand.Rand
	events   map[string][]told          // by account, in the order of arrival
	known    map[string]map[string]bool // by account and ID
	arrived  int
	repeated int
	refused  int
	last     time.Time
	reliable bool
}

const maxEvent = 1 << 20

func newCollector(seed uint64) (*collector, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &collector{
		url: "http://" + listener.Addr().String(), dice: rand.New(rand.NewPCG(seed, 7)),
		events: make(map[string][]told), known: make(map[string]map[string]bool), last: time.Now(),
	}
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: rest}
	go func() {
		if err := c.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return c, nil
}

func (c *collector) stop() { _ = c.server.Close() }

// temper is how the collector treats one delivery.
type temper int

const (
	takes temper = iota
	refuses
	takesAndFails
	takesLate
)

func (c *collector) temper() temper {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reliable {
		return takes
	}
	switch n := c.dice.IntN(1000); {
	case c.down.Load() || n < 15:
		c.refused++
		return refuses
	case n < 25:
		return takesAndFails
	case n < 30:
		return takesLate
	default:
		return takes
	}
}

// ServeHTTP takes one CloudEvent.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mood := c.temper()
	if mood == refuses {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	e, err := event.ReadRequest(w, r, maxEvent)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.take(e)
	switch mood {
	case takesAndFails:
		w.WriteHeader(http.StatusBadGateway)
		return
	case takesLate:
		_ = pause(r.Context(), time.Second)
	}
	w.WriteHeader(http.StatusAccepted)
}

func (c *collector) take(e event.Event) {
	arrived := told{
		id: e.ID(), kind: e.Type(), sequence: event.Extension(e, event.ExtensionSequence), cause: event.Extension(e, event.ExtensionCausationID),
	}
	if changed, err := event.Decode[event.OrderChanged](e); err == nil {
		arrived.order = changed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
	account := e.Subject()
	if c.known[account] == nil {
		c.known[account] = make(map[string]bool)
	}
	if c.known[account][e.ID()] {
		c.repeated++
		return
	}
	c.known[account][e.ID()] = true
	c.arrived++
	c.events[account] = append(c.events[account], arrived)
}

// of returns what was told of an account, in the order of arrival.
func (c *collector) of(account string) []told {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]told(nil), c.events[account]...)
}

// calm ends the refusals.
func (c *collector) calm() {
	c.down.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reliable = true
}

func (c *collector) counts() (arrived, repeated, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.arrived, c.repeated, c.refused
}
