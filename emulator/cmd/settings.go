package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// settings reads the command line. flag.ErrHelp after help was written to output.
func settings(arguments []string, output io.Writer) (emulator.Config, error) {
	var config emulator.Config
	accounts, plan, recordings, readings, disputed, start, away := 1, "", "", "", "", "", ""
	flags := flag.NewFlagSet("emulator", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.StringVar(&config.Addr, "addr", "127.0.0.1:4001", "address of trading, market data and streams")
	flags.StringVar(&config.AdminAddr, "admin-addr", "127.0.0.1:4002", "address of /emulator/")
	flags.Uint64Var(&config.Seed, "seed", 1, "seed of the market")
	flags.StringVar(&config.MarketClock, "clock", "always-open", "always-open, real, fixed or accelerated")
	flags.StringVar(&start, "start", "", "what a fixed or accelerated clock begins at, RFC 3339; empty: now")
	flags.Float64Var(&config.ClockSpeed, "speed", 0, "seconds that an accelerated clock makes of one; 0: 60")
	flags.StringVar(&recordings, "replay", "", "files of recorded trades, quotes or bars, with commas between them, plain or gzip")
	flags.IntVar(&config.TradingLimit, "trading-limit", 0, "trading requests a minute and key; 0: 200, negative: unlimited")
	flags.IntVar(&config.DataLimit, "data-limit", 0, "market data requests a minute and key; 0: the plan's, negative: unlimited")
	flags.StringVar(&plan, "plan", "", "market data plan of the accounts: basic or algo_trader_plus (the default)")
	flags.DurationVar(&config.FillLatency, "fill-latency", 0, "time to a fill; 0: as in paper trading, negative: none")
	flags.Float64Var(&config.PartialFillProbability, "partial-fills", 0, "how often a fill is partial; 0: 0.10, negative: never")
	flags.IntVar(&config.EventHistory, "event-history", 0, "trade updates kept for each account; 0: 20,000")
	flags.DurationVar(&config.Heartbeat, "heartbeat", 0, "how often a quiet event stream carries a comment; 0: 15 s")
	flags.StringVar(&disputed, "trading-readings", "", "the same for trading: held-events, wide-option-orders and others")
	flags.StringVar(&readings, "readings", "", "which of two contradicting reports of Alpaca to follow, see emulator/README.md")
	flags.IntVar(&config.Streams.Data.Connections, "connections", 0, "WebSockets an account may have to a kind of feed; 0: 1")
	flags.DurationVar(&config.Streams.Data.SlotLinger, "slot-linger", 0, "how long a broken WebSocket still counts, at most 90 s")
	flags.BoolVar(&config.Streams.Data.SlotPerFeed, "slot-per-feed", false, "count WebSockets of each address on their own")
	flags.BoolVar(&config.Streams.Data.RoundLots, "round-lots", false, "stream the sizes of stock quotes in lots of 100 shares")
	flags.BoolVar(&config.Streams.Data.CountBars, "count-bars", false, "count bars towards the free plan's symbols")
	flags.IntVar(&config.Streams.UpgradesPerMinute, "upgrades", 0, "WebSocket handshakes a minute and client address; 0: any number")
	flags.BoolVar(&config.Streams.TextFrames, "text-frames", false, "send trade updates in text frames, as the live environment does")
	flags.StringVar(&away, "limit-price-away", "", "how far a limit may be from a stock's price, as a fraction; empty: any distance")
	flags.IntVar(&accounts, "accounts", 1, "how many paper accounts to open")
	if err := flags.Parse(arguments); err != nil {
		return config, err
	}
	if rest := flags.Args(); len(rest) > 0 {
		return config, fmt.Errorf("unknown argument %q", rest[0])
	}
	var err error
	if config.Disputed, err = exchange.ParseDisputed(disputed); err != nil {
		return config, fmt.Errorf("-trading-readings: %w", err)
	}
	if config.Readings, err = access.ParseReadings(readings); err != nil {
		return config, fmt.Errorf("-readings: %w", err)
	}
	if start != "" {
		if config.ClockStart, err = time.Parse(time.RFC3339, start); err != nil {
			return config, fmt.Errorf("-start: %w", err)
		}
	}
	if config.LimitPriceAway, err = fraction(away); err != nil {
		return config, fmt.Errorf("-limit-price-away: %w", err)
	}
	if recordings != "" {
		config.Replay = strings.Split(recordings, ",")
	}
	config.Accounts = open(accounts, access.Plan(plan))
	return config, nil
}

// open returns as many accounts with made-up keys.
func open(count int, plan access.Plan) []emulator.Account {
	accounts := make([]emulator.Account, 0, max(0, count))
	for i := range count {
		accounts = append(accounts, emulator.Account{
			KeyID: fmt.Sprintf("PKEMULATOR%010d", i+1), SecretKey: fmt.Sprintf("emulator-secret-%010d", i+1), DataPlan: plan,
		})
	}
	return accounts
}

// fraction reads a positive number; zero for no text.
func fraction(text string) (decimal.Decimal, error) {
	if text == "" {
		return decimal.Decimal{}, nil
	}
	value, err := decimal.Parse(text)
	if err != nil || !value.IsPos() {
		return decimal.Decimal{}, errors.New("want a fraction above 0, for example 0.5")
	}
	return value, nil
}
