package alpaca

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"go.uber.org/zap"
)

// Client talks to Alpaca for any number of accounts. Its methods may be called concurrently.
type Client struct {
	config    Config
	deps      Dependencies
	trading   *url.URL
	data      *url.URL
	transport *http.Transport
	streams   *http.Transport
}

// New checks the configuration and returns a Client. It opens no connection; Warm does.
func New(cfg Config, deps Dependencies) (*Client, error) {
	cfg, deps = cfg.withDefaults(), deps.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	trading, err := parseBaseURL("TradingURL", cfg.TradingURL, cfg.AllowClearText)
	if err != nil {
		return nil, err
	}
	data, err := parseBaseURL("DataURL", cfg.DataURL, cfg.AllowClearText)
	if err != nil {
		return nil, err
	}
	metrics, err := newConnectionMetrics(deps.Registerer, cfg.MetricsPerAccount)
	if err != nil {
		return nil, err
	}
	return &Client{
		config:    cfg,
		deps:      deps,
		trading:   trading,
		data:      data,
		transport: newTransport(cfg, metrics),
		streams:   newStreamTransport(cfg, metrics),
	}, nil
}

// Warm opens a connection to each host, in parallel and without credentials, so that the first real call doesn't
// pay for DNS, TCP and TLS. Any answer will do; the error names the hosts that can't be reached.
func (c *Client) Warm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	bases := []*url.URL{c.trading}
	if c.data.Host != c.trading.Host {
		bases = append(bases, c.data)
	}
	failures := make([]error, len(bases))
	var group sync.WaitGroup
	for i, base := range bases {
		group.Go(func() { failures[i] = c.knock(ctx, base) })
	}
	group.Wait()
	return errors.Join(failures...)
}

func (c *Client) knock(ctx context.Context, base *url.URL) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, base.String()+"/", http.NoBody)
	if err != nil {
		return fmt.Errorf("alpaca: warm %s: %w", base.Host, err)
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("alpaca: warm %s: %w", base.Host, err)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxErrorBytes))
	_ = response.Body.Close()
	c.deps.Logger.Debug("alpaca connection warmed", zap.String("host", base.Host), zap.String("protocol", response.Proto))
	return nil
}

// Close closes the idle connections. Calls that are under way finish.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.streams.CloseIdleConnections()
}
