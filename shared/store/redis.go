// Package store is how the functions reach Redis: the client, the scripts and the name of every key.
package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// ErrURL is wrapped by the errors of Open.
var ErrURL = errors.New("REDIS_URL")

// Options are limits of the client. The zero value is right for a function.
type Options struct {
	// PoolSize is the most connections to one Redis node; 0 is 32.
	PoolSize int
	// Timeout bounds one command; 0 is 250 ms. It is short because a request that waits for Redis holds money up.
	Timeout time.Duration
}

// Open returns a client for rawURL without connecting: redis:// or rediss:// for one server, redis+cluster:// or
// rediss+cluster:// for a cluster (more nodes as ?addr=host:port).
func Open(rawURL string, options Options) (Client, error) {
	parsed, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%w: not a URL", ErrURL) // the parse error would print the password
	}
	scheme, cluster := strings.CutSuffix(parsed.Scheme, "+cluster")
	parsed.Scheme = scheme
	if cluster {
		return openCluster(parsed, options.withDefaults())
	}
	return openServer(parsed, options.withDefaults())
}

func (o Options) withDefaults() Options {
	if o.PoolSize == 0 {
		o.PoolSize = 32
	}
	if o.Timeout == 0 {
		o.Timeout = 250 * time.Millisecond
	}
	return o
}

func openServer(parsed *url.URL, options Options) (Client, error) {
	o, err := redis.ParseURL(parsed.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrURL, redactURL(err, parsed))
	}
	o.PoolSize = options.PoolSize
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = options.Timeout, options.Timeout, options.Timeout, options.Timeout
	o.MaxRetries = 1
	o.DialerRetries = 1 // the default of five would hold a command for half a second while Redis is away
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true // one round trip less on each new connection
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o), nil
}

func openCluster(parsed *url.URL, options Options) (Client, error) {
	o, err := redis.ParseClusterURL(parsed.String())
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrURL, redactURL(err, parsed))
	}
	o.PoolSize = options.PoolSize
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = options.Timeout, options.Timeout, options.Timeout, options.Timeout
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.ClusterStateReloadInterval = reloadEvery
	client := redis.NewClusterClient(o)
	client.AddHook(reload{client})
	return client, nil
}

// redactURL keeps a password that a parser quoted out of an error.
func redactURL(err error, parsed *url.URL) string {
	text := err.Error()
	if password, ok := parsed.User.Password(); ok && password != "" {
		text = strings.ReplaceAll(text, password, "xxxxx")
	}
	return text
}

// Timer tells a Redis server's time.
type Timer interface {
	Time(ctx context.Context) *redis.TimeCmd
}

// Now returns the server's clock, the only one that scripts use.
func Now(ctx context.Context, client Timer) (time.Time, error) {
	now, err := client.Time(ctx).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("redis TIME: %w", err)
	}
	return now, nil
}
