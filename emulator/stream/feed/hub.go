package feed

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
)

// Settings configure the market data WebSockets. The zero value behaves as Alpaca does.
type Settings struct {
	// Interval is how often the market is looked at for what is subscribed to; zero: 250 ms.
	Interval time.Duration
	// AuthTimeout is how long a client may take to authenticate; zero: 10 s.
	AuthTimeout time.Duration
	// Connections is how many an account may have to each kind of feed; zero: 1.
	Connections int
	// SlotPerFeed counts every address on its own instead of all stock feeds together, of which nothing is documented.
	SlotPerFeed bool
	// SlotLinger is how long a connection that broke without a goodbye still counts; zero: not at all; at most 90 s.
	SlotLinger time.Duration
	// RoundLots writes the sizes of stock quotes in round lots of 100 shares, as Alpaca's streaming page still says, instead of
	// shares, as its specification does since November 2025.
	RoundLots bool
	// CountBars counts bars towards the symbols of the free plan, too, of which its page says nothing.
	CountBars bool
	// Buffer is how many messages may wait for a client before it is slow; zero: 8,192.
	Buffer int
}

func (s Settings) withDefaults() Settings {
	if s.Interval <= 0 {
		s.Interval = market.Step
	}
	if s.AuthTimeout <= 0 {
		s.AuthTimeout = 10 * time.Second
	}
	if s.Connections <= 0 {
		s.Connections = 1
	}
	if s.Buffer <= 0 {
		s.Buffer = 8192
	}
	return s
}

// World is what the streams tell about.
type World struct {
	Catalogue *asset.Catalogue
	Clock     *session.Clock
	Market    *market.Market
	Gate      *access.Gate
	Plans     *access.Plans // nil: all have Algo Trader Plus
	Door      *socket.Door
	Seed      uint64
	// Now is real time, by which connections are counted.
	Now func() time.Time
}

// Hub holds all market data feeds and their clients. Create it with NewHub; it may be used concurrently.
type Hub struct {
	World
	settings Settings
	patterns patterns
	slots    *slots
	feeds    []*feed
	frames   sync.Pool
	wake     chan struct{} // readable when somebody began to listen
	record   *record

	mu      sync.Mutex
	clients map[*client]string // key ID of every client that has authenticated
}

// NewHub returns a hub without clients. Run must run for data to flow.
func NewHub(world World, settings Settings) *Hub {
	settings = settings.withDefaults()
	h := &Hub{
		World: world, settings: settings, patterns: symbolPatterns(), slots: newSlots(settings.SlotLinger, world.Now),
		wake: make(chan struct{}, 1), clients: make(map[*client]string), record: newRecord(),
		frames: sync.Pool{New: func() any { return new([]byte) }},
	}
	for _, e := range endpoints() {
		h.feeds = append(h.feeds, newFeed(e, h.sourceOf(&e)))
	}
	return h
}

// Register adds the feeds' addresses to mux.
func (h *Hub) Register(mux *http.ServeMux) {
	for _, f := range h.feeds {
		mux.HandleFunc("GET "+f.path, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, f) })
	}
}

func (h *Hub) serve(w http.ResponseWriter, r *http.Request, f *feed) {
	opened, ok := h.Door.Open(w, r, string(f.class), false)
	if !ok {
		return
	}
	defer opened.Leave()
	s := &client{hub: h, feed: f, socket: opened, outbox: newOutbox(h.settings.Buffer)}
	s.serve(r.Context(), r)
	h.depart(s)
}

// rightsOf returns the rights of a key's plan.
func (h *Hub) rightsOf(keyID string) rights {
	if h.Plans == nil {
		return rightsOf(access.AlgoTraderPlus)
	}
	return rightsOf(h.Plans.Of(keyID))
}

func (h *Hub) arrive(s *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[s] = s.keyID
}

func (h *Hub) depart(s *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, s)
}

// Run lets data flow until ctx ends. It rests while nobody is subscribed to anything.
func (h *Hub) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
			h.walk(ctx)
		}
	}
}

// walk looks at the market again and again until nobody listens.
func (h *Hub) walk(ctx context.Context) {
	ticker := time.NewTicker(h.settings.Interval)
	defer ticker.Stop()
	for {
		h.observe()
		listening := false
		for _, f := range h.feeds {
			listening = f.tick(h.Clock.Now()) || listening
		}
		if !listening {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// stir makes Run look at the market.
func (h *Hub) stir() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// choose returns the clients of a class, or of all if it is empty, that authenticated with a key, or with any.
func (h *Hub) choose(class Class, keyID string) []*client {
	h.mu.Lock()
	defer h.mu.Unlock()
	var chosen []*client
	for s, owner := range h.clients {
		if (class == "" || s.feed.class == class) && (keyID == "" || owner == keyID) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// Disconnect breaks the connections of a class and a key, without a goodbye; empty stands for all. It returns how many.
func (h *Hub) Disconnect(class Class, keyID string) int {
	chosen := h.choose(class, keyID)
	for _, s := range chosen {
		s.socket.Abort()
	}
	return len(chosen)
}

// Silence keeps data, and only data, from the clients of a class and a key that are connected now, or lets it through again;
// empty stands for all. It returns how many.
func (h *Hub) Silence(class Class, keyID string, quiet bool) int {
	chosen := h.choose(class, keyID)
	for _, s := range chosen {
		s.silent.Store(quiet)
	}
	return len(chosen)
}

// Complain sends the error with a code to the clients of a class and a key; empty stands for all. It returns how many got
// it: none when Alpaca has no such code. Code 407 ends the connections as it does for a slow client.
func (h *Hub) Complain(class Class, keyID string, code int) int {
	why, known := refusalOf(code)
	if !known {
		return 0
	}
	chosen := h.choose(class, keyID)
	for _, s := range chosen {
		if why == ErrSlowClient {
			s.end(why)
			continue
		}
		s.refuse(why)
		s.outbox.flush()
	}
	return len(chosen)
}
