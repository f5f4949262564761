package alpaca

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// newTransport builds the connection pool that all accounts share. HTTP/2 is used where the host offers it; pings
// find connections that died silently.
func newTransport(cfg Config, metrics connectionMetrics) *http.Transport {
	dialer := &net.Dialer{KeepAlive: keepAlivePeriod}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLS != nil {
		tlsConfig = cfg.TLS.Clone()
	}
	if tlsConfig.ClientSessionCache == nil {
		tlsConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	tlsConfig.VerifyConnection = metrics.handshaken(tlsConfig.VerifyConnection)
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     tlsConfig,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: cfg.MaxIdleConnsPerHost,
		MaxConnsPerHost:     cfg.MaxConnsPerHost,
		IdleConnTimeout:     idleConnectionTimeout,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: connectionPingAfter, PingTimeout: connectionPingTimeout},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			connection, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return count(connection, metrics.open.WithLabelValues(poolLabels(ctx, cfg, address)...)), nil
		},
	}
}

// newStreamTransport is the pool of the trade-event streams. They are long-lived and may be a thousand, so they must
// not use up the connections that orders need.
func newStreamTransport(cfg Config, metrics connectionMetrics) *http.Transport {
	cfg.MaxConnsPerHost = 0
	transport := newTransport(cfg, metrics)
	transport.DisableCompression = true // a compressor may hold events back
	return transport
}

// countedConnection lowers the gauge once when it is closed.
type countedConnection struct {
	net.Conn
	open  prometheus.Gauge
	close sync.Once
}

func count(connection net.Conn, open prometheus.Gauge) net.Conn {
	open.Inc()
	return &countedConnection{Conn: connection, open: open}
}

// Close closes the connection and stops counting it.
func (c *countedConnection) Close() error {
	c.close.Do(c.open.Dec)
	return c.Conn.Close()
}

// openerKey is the context key of the account whose call may open a connection.
type openerKey struct{}

func withOpener(ctx context.Context, accountID string) context.Context {
	return context.WithValue(ctx, openerKey{}, accountID)
}

// poolLabels are the labels of a connection that is opened under ctx; net/http keeps the values of a call's context in
// the one it dials under.
func poolLabels(ctx context.Context, cfg Config, address string) []string {
	if !cfg.MetricsPerAccount {
		return []string{hostLabel(address)}
	}
	opener, _ := ctx.Value(openerKey{}).(string)
	return []string{hostLabel(address), opener}
}

// hostLabel drops the standard ports from host:port.
func hostLabel(address string) string {
	if host, found := strings.CutSuffix(address, ":443"); found {
		return host
	}
	host, _ := strings.CutSuffix(address, ":80")
	return host
}
