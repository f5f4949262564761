package main

import (
	"fmt"
	"io"
	"time"
)

// Settings decide one run.
type Settings struct {
	// Seed decides the orders, the clients' manners and the attacks. What happens in between is up to the machine.
	Seed uint64
	// Duration is how long there are attacks and new orders.
	Duration time.Duration
	// Rate is orders a second, Accounts how many accounts trade; 0 is a default.
	Rate, Accounts int
	// Keep is a folder for the programs' logs; empty keeps none.
	Keep string
	// Output gets the progress lines.
	Output io.Writer
}

const (
	defaultRate     = 50
	defaultAccounts = 150
	orderFunctions  = 3
	updateSources   = 2
	clients         = 96
	// accountsPerDesk is how many accounts there are to one that somebody has to himself.
	accountsPerDesk = 25
	// patience bounds the time after the attacks in which all must come to rest.
	patience = 2 * time.Minute
)

func (s *Settings) withDefaults() error {
	if s.Rate == 0 {
		s.Rate = defaultRate
	}
	if s.Accounts == 0 {
		s.Accounts = defaultAccounts
	}
	if s.Duration < time.Second || s.Rate < 1 || s.Accounts < 1 {
		return fmt.Errorf("duration must be at least 1s, rate and accounts at least 1")
	}
	return nil
}

// function is the environment of every function. The timeouts are short so that a minute holds many of them; what one
// must be to the other is checked by the functions themselves.
func (w *world) environment() map[string]string {
	return map[string]string{
		"HOST": "127.0.0.1", "LOG_LEVEL": "warn", "REDIS_URL": w.redis.URL(), "ACCOUNTS_FILE": w.accountsFile,
		"K_SINK": w.collector.url, "JWT_SECRET": jwtSecret, "ALPACA_TRADING_URL": w.alpaca.url, "ALPACA_DATA_URL": w.alpaca.url,
		"UPSTREAM_TIMEOUT": "1s", "ORDERS_PER_MINUTE": "100000", "ALPACA_TRADING_REQUESTS_PER_MINUTE": "100000",
		"ACCOUNT_READS_PER_MINUTE": "100000", "MIN_CASH": "0", "DRAIN_QUIET_PERIOD": "50ms",
		// A busy machine's: on two cores even a healthy Redis takes 100 ms at times.
		"REDIS_TIMEOUT": "400ms", "SWEEP_EVERY": "1s", "INTENT_LEASE": "4s", "INTENT_REPLICAS": w.settings.intentReplicas(),
		"ACTIVE_SCAN_INTERVAL": "1s", "UPDATES_QUIET_PERIOD": "15s", "UPDATES_LEASE_LIFE": "3s", "UPDATES_BACKFILL": "4m",
	}
}

// intentReplicas is WAIT for a replica with every second seed: with and without it nothing may go wrong.
func (s *Settings) intentReplicas() string {
	if s.Seed%2 == 0 {
		return "1"
	}
	return "0"
}
