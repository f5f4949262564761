package emulator

import (
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/replay"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/stream"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Account is one paper account that the emulator opens.
type Account struct {
	// ID is Alpaca's account ID, a UUID; empty: derived from KeyID.
	ID        string
	KeyID     string
	SecretKey string
	Cash      decimal.Decimal // USD; zero: 100,000
	// Token is an OAuth access token of the account, for clients that authenticate with one; empty: none. Scopes are its
	// scopes; empty: all.
	Token  string
	Scopes []string
	// DataPlan is the market data subscription: access.Basic or access.AlgoTraderPlus; empty: the latter.
	DataPlan access.Plan
}

func (a Account) token() access.Token {
	scopes := a.Scopes
	if len(scopes) == 0 {
		scopes = access.AllScopes()
	}
	return access.Token{Value: a.Token, KeyID: a.KeyID, Scopes: scopes}
}

func (a Account) id() string {
	if a.ID != "" {
		return a.ID
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("alpaca-emulator/account/"+a.KeyID)).String()
}

// Config configures an Emulator. The zero value is a paper environment without accounts whose market never closes.
type Config struct {
	Accounts []Account
	// Addr and AdminAddr are what to listen on; empty: a free port of 127.0.0.1.
	Addr, AdminAddr string
	// Seed decides the prices and the luck of every account; runs with one seed see one market.
	Seed uint64
	// MarketClock is always-open (the default), real, fixed or accelerated.
	MarketClock string
	// ClockStart is what a fixed or accelerated clock begins at; zero: now.
	ClockStart time.Time
	// ClockSpeed is how many seconds an accelerated clock makes of one; zero: 60.
	ClockSpeed float64
	// TradingLimit and DataLimit are requests a minute and key; negative: unlimited. Zero: 200 for trading, and for market
	// data what the account's plan has.
	TradingLimit, DataLimit int
	// Replay names files of recorded answers of the Market Data API, plain or compressed with gzip: trades, quotes and bars
	// that are the market of their symbols instead of the walk. The recording begins when the emulator does, or, with a
	// fixed or accelerated clock, at its own time.
	Replay []string
	// FillLatency is the time from an order to the first look for a fill; zero: 30 to 800 ms at random as in paper trading;
	// negative: everything happens within the request.
	FillLatency time.Duration
	// PartialFillProbability is how often an order is filled in part first; zero: Alpaca's 0.10; negative: never.
	PartialFillProbability float64
	// LimitPriceAway is how far a limit may be from a stock's last price, as a fraction of it; zero: any distance.
	LimitPriceAway decimal.Decimal
	// Disputed chooses where Alpaca's own sources disagree about trading; zero: what is safer for a client.
	Disputed exchange.Disputed
	// EventHistory is how many trade updates an account keeps for since and since_id; zero: 20,000.
	EventHistory int
	// Heartbeat is how often a quiet event stream carries a comment; zero: 15 s.
	Heartbeat time.Duration
	// Readings choose between contradicting reports of what Alpaca does.
	Readings access.Readings
	// Streams configures the WebSockets.
	Streams stream.Settings
	// Clock is where time comes from; nil: the machine's clock.
	Clock clock.Clock
}

const (
	defaultLimit     = 200
	defaultHeartbeat = 15 * time.Second
	defaultAddr      = "127.0.0.1:0"
)

func (c Config) withDefaults() Config {
	if c.Addr == "" {
		c.Addr = defaultAddr
	}
	if c.AdminAddr == "" {
		c.AdminAddr = defaultAddr
	}
	if c.TradingLimit == 0 {
		c.TradingLimit = defaultLimit
	}
	if c.Heartbeat <= 0 {
		c.Heartbeat = defaultHeartbeat
	}
	if c.Clock == nil {
		c.Clock = clock.System{}
	}
	return c
}

func (c Config) tokens() []access.Token {
	tokens := make([]access.Token, 0, len(c.Accounts))
	for _, account := range c.Accounts {
		tokens = append(tokens, account.token())
	}
	return tokens
}

func (c Config) clockSettings() session.Settings {
	return session.Settings{Mode: session.Mode(c.MarketClock), Start: c.ClockStart, Speed: c.ClockSpeed}
}

// plans returns the accounts' market data subscriptions. access.ErrPlan.
func (c Config) plans() (*access.Plans, error) {
	opened := make(map[string]access.Plan, len(c.Accounts))
	for _, account := range c.Accounts {
		opened[account.KeyID] = account.DataPlan
	}
	return access.NewPlans(opened)
}

// dataLimit returns the market data requests a minute that a key has.
func (c Config) dataLimit(plans *access.Plans) func(keyID string) int {
	return func(keyID string) int {
		if c.DataLimit != 0 {
			return c.DataLimit
		}
		return plans.Of(keyID).Requests()
	}
}

// replay makes the recordings the market of their symbols. replay.ErrRecording.
func (c Config) replay(prices *market.Market, catalogue *asset.Catalogue, hours *session.Clock) error {
	library, err := replay.Load(c.Replay)
	if err != nil {
		return err
	}
	shift := library.ShiftTo(hours.Now())
	if mode := session.Mode(c.MarketClock); mode == session.Fixed || mode == session.Accelerated {
		shift = 0
	}
	return library.Install(prices, catalogue, hours.Location(), shift)
}
