package stream

import (
	"errors"
	"time"
)

// Config is the part of the quote function's configuration that is about streams. Zero values mean the defaults.
type Config struct {
	// Streams serves the streams; a function that is for requests only leaves them to another of the same image.
	Streams bool `env:"SERVE_STREAMS" envDefault:"true"`
	// Connections is the most streams of one instance, AccountConnections of one account over all instances.
	Connections        int `env:"STREAM_CONNECTIONS" envDefault:"10000"`
	AccountConnections int `env:"STREAM_CONNECTIONS_PER_ACCOUNT" envDefault:"20"`
	// Topics is the most subscriptions of one stream: one is one channel of one symbol.
	Topics int `env:"STREAM_TOPICS" envDefault:"2000"`
	// FlushInterval is how long messages are gathered for one frame; a stream that has been quiet is sent to at once.
	FlushInterval time.Duration `env:"STREAM_FLUSH_INTERVAL" envDefault:"20ms"`
	// WriteTimeout is how long a client may leave everything unread before it is given up.
	WriteTimeout time.Duration `env:"STREAM_WRITE_TIMEOUT" envDefault:"20s"`
	// Heartbeat is how often a stream says that it is alive.
	Heartbeat time.Duration `env:"STREAM_HEARTBEAT" envDefault:"15s"`
	// MaxAge is when a stream is asked to come again, up to a tenth earlier so that not all come at once; below the longest
	// request that what stands before the function allows. 0 is never.
	MaxAge time.Duration `env:"STREAM_MAX_AGE" envDefault:"0s"`
}

// Validate checks what the types can't.
func (c Config) Validate() error {
	if min(c.Connections, c.AccountConnections, c.Topics) < 0 || min(c.FlushInterval, c.WriteTimeout, c.Heartbeat, c.MaxAge) < 0 {
		return errors.New("STREAM_CONNECTIONS, STREAM_CONNECTIONS_PER_ACCOUNT, STREAM_TOPICS, STREAM_FLUSH_INTERVAL, " +
			"STREAM_WRITE_TIMEOUT, STREAM_HEARTBEAT and STREAM_MAX_AGE: must not be negative")
	}
	return nil
}

func (c Config) withDefaults() Config {
	for _, number := range []struct {
		of       *int
		fallback int
	}{{&c.Connections, 10_000}, {&c.AccountConnections, 20}, {&c.Topics, 2000}} {
		if *number.of == 0 {
			*number.of = number.fallback
		}
	}
	for _, span := range []struct {
		of       *time.Duration
		fallback time.Duration
	}{{&c.FlushInterval, 20 * time.Millisecond}, {&c.WriteTimeout, 20 * time.Second}, {&c.Heartbeat, 15 * time.Second}} {
		if *span.of == 0 {
			*span.of = span.fallback
		}
	}
	return c
}
