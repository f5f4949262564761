package marketfeed

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The codecs of the streams. Options always come in MessagePack.
const (
	MessagePack = "msgpack"
	JSON        = "json"
)

const (
	defaultTimeout  = 5 * time.Second
	defaultAuthWait = 2 * time.Minute
	defaultPing     = 10 * time.Second
	// authPause is the first wait after "connection limit exceeded", maxAuthPause the longest: Alpaca ends a connection
	// that has not authenticated for 10 s.
	authPause    = time.Second
	maxAuthPause = 8 * time.Second
	// maxFrame bounds one frame of Alpaca.
	maxFrame = 16 << 20
	// symbolsPerRequest keeps a subscribe message far below 32 KiB.
	symbolsPerRequest = 400
)

// Config says how to reach Alpaca. Zero values mean the defaults.
type Config struct {
	// DataURL is the base address, https://data.alpaca.markets or an emulator's.
	DataURL string
	// Codec is MessagePack (the default) or JSON.
	Codec string
	// Timeout bounds the handshake and each answer; 0 is 5 s.
	Timeout time.Duration
	// AuthWait is how long a taken place is waited for on one connection; 0 is 2 minutes. A place whose connection broke
	// is taken for about 90 s.
	AuthWait time.Duration
	// PingEvery is how often a ping is sent, whose pong must come within half of it; 0 is 10 s.
	PingEvery time.Duration
	// TLS is the base of the TLS configuration; nil is the system's.
	TLS *tls.Config
}

func (c Config) withDefaults() Config {
	if c.Codec == "" {
		c.Codec = MessagePack
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.AuthWait == 0 {
		c.AuthWait = defaultAuthWait
	}
	if c.PingEvery == 0 {
		c.PingEvery = defaultPing
	}
	return c
}

// Dialer opens sockets. Create one with NewDialer; it may be used concurrently.
type Dialer struct {
	config Config
	base   *url.URL
	client *http.Client
}

// NewDialer checks the configuration.
func NewDialer(cfg Config) (*Dialer, error) {
	cfg = cfg.withDefaults()
	if cfg.Codec != MessagePack && cfg.Codec != JSON {
		return nil, fmt.Errorf("codec must be %s or %s, is %.20q", MessagePack, JSON, cfg.Codec)
	}
	base, err := url.Parse(cfg.DataURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		return nil, errors.New("the data address must be an absolute http or https URL")
	}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLS != nil {
		tlsConfig = cfg.TLS.Clone()
	}
	tlsConfig.NextProtos = []string{"http/1.1"} // the handshake of a WebSocket is HTTP/1.1
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: cfg.Timeout, DisableKeepAlives: true,
		DialContext: (&net.Dialer{Timeout: cfg.Timeout, KeepAlive: cfg.PingEvery}).DialContext,
	}
	return &Dialer{config: cfg, base: base, client: &http.Client{Transport: transport}}, nil
}
