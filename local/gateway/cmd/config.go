package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"
)

// Config is the gateway's configuration.
type Config struct {
	// Host and Port are where to listen; Knative sets PORT.
	Host string `env:"HOST"`
	Port uint16 `env:"PORT" envDefault:"8080"`
	// LogLevel is debug, info, warn or error.
	LogLevel string `env:"LOG_LEVEL" envDefault:"info"`
	// QuoteURL, QuoteStreamURL, OrderURL and AccountURL are the functions' addresses; on Knative their names in the cluster.
	QuoteURL       string `env:"QUOTE_URL,required,notEmpty"`
	QuoteStreamURL string `env:"QUOTE_STREAM_URL,required,notEmpty"`
	OrderURL       string `env:"ORDER_URL,required,notEmpty"`
	AccountURL     string `env:"ACCOUNT_URL,required,notEmpty"`
	// DrainQuietPeriod is how long no request must have come before a drain ends; StopTimeout bounds the stop.
	DrainQuietPeriod time.Duration `env:"DRAIN_QUIET_PERIOD" envDefault:"200ms"`
	StopTimeout      time.Duration `env:"STOP_TIMEOUT" envDefault:"10s"`
}

// Address is what to listen on.
func (c *Config) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) }

// Validate checks what the types can't.
func (c *Config) Validate() error {
	for name, text := range map[string]string{
		"QUOTE_URL": c.QuoteURL, "QUOTE_STREAM_URL": c.QuoteStreamURL, "ORDER_URL": c.OrderURL, "ACCOUNT_URL": c.AccountURL,
	} {
		parsed, err := url.Parse(text)
		if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
			return fmt.Errorf("%s: want an absolute http or https URL", name)
		}
	}
	if c.DrainQuietPeriod <= 0 || c.StopTimeout <= 0 {
		return errors.New("DRAIN_QUIET_PERIOD and STOP_TIMEOUT: must be greater than 0")
	}
	return nil
}
