package stream

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
)

// Settings configure the streams. The zero value behaves as Alpaca's paper environment does for a user of Algo Trader Plus.
type Settings struct {
	// Data configures the market data WebSockets.
	Data feed.Settings
	// UpgradesPerMinute is how many WebSocket handshakes a client address may make before it gets 429; zero: any number,
	// because Alpaca's is not known.
	UpgradesPerMinute int
	// WriteTimeout is how long a client may take to read a message; zero: 10 s.
	WriteTimeout time.Duration
	// TextFrames makes the trading WebSocket send JSON in text frames as Alpaca's live environment does; paper uses binary.
	TextFrames bool
}
