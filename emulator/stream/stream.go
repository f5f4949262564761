package stream

import (
	"context"
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
)

// Kinds of streams that are counted, beside the classes of package feed.
const (
	KindTradeEvents  = "trade_events"  // server-sent events
	KindActivities   = "activities"    // server-sent events
	KindTradeUpdates = "trade_updates" // the trading WebSocket
)

// Streams is everything that the emulator pushes. Create it with New; it may be used concurrently.
type Streams struct {
	// Hub holds the market data feeds.
	Hub *feed.Hub

	gate     *access.Gate
	events   *TradeEvents
	updates  *TradeUpdates
	door     *socket.Door
	counts   *socket.Counts
	upgrades *access.Limiter
}

// New returns the streams of a world; its Door is made here. heartbeat is how often a quiet stream of server-sent events
// carries a comment.
func New(world feed.World, settings Settings, heartbeat time.Duration) *Streams {
	counts := &socket.Counts{}
	limit := settings.UpgradesPerMinute
	if limit <= 0 {
		limit = -1
	}
	upgrades := access.NewLimiter(limit, world.Now)
	door := &socket.Door{Upgrades: upgrades, Counts: counts, WriteTimeout: settings.WriteTimeout}
	world.Door = door
	return &Streams{
		Hub: feed.NewHub(world, settings.Data), gate: world.Gate, door: door, counts: counts, upgrades: upgrades,
		events:  &TradeEvents{Heartbeat: heartbeat, Now: world.Clock.Now, Counts: counts},
		updates: &TradeUpdates{Gate: world.Gate, Door: door, Binary: !settings.TextFrames},
	}
}

// Register adds all streams to mux.
func (s *Streams) Register(mux *http.ServeMux) {
	s.events.Register(mux, s.gate)
	s.updates.Register(mux)
	s.Hub.Register(mux)
}

// Run lets market data flow until ctx ends, and returns when every WebSocket has ended, too: they end with the context of
// their requests.
func (s *Streams) Run(ctx context.Context) {
	s.Hub.Run(ctx)
	s.door.Close()
}

// Open returns how many streams of each kind are open.
func (s *Streams) Open() map[string]int { return s.counts.Open() }

// RefusedUpgrades returns how many WebSocket handshakes of each client address got 429.
func (s *Streams) RefusedUpgrades() map[string]int64 { return s.upgrades.Refused() }

// Disconnect breaks the trading WebSockets of a key, without a goodbye; empty stands for all. It returns how many.
func (s *Streams) Disconnect(keyID string) int { return s.updates.disconnect(keyID) }
