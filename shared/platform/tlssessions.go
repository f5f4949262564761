package platform

import (
	"crypto/tls"
	"fmt"
	"net/url"

	"github.com/opitios-ai/alpaca-knative/shared/tlsticket"
)

// openSessions makes the cache of TLS sessions and the TLS configuration with it; both nil without a secret. Alpaca's
// certificates are verified again when a session is resumed, so that the system's roots need no name in the key.
func (p *Platform) openSessions() (*tls.Config, error) {
	if p.Config.TLSSessionSecret == "" {
		return nil, nil
	}
	ports := make(map[string]string)
	for _, address := range []string{p.Config.TradingURL, p.Config.DataURL} {
		base, err := url.Parse(address)
		if err != nil || base.Scheme != "https" {
			continue // alpaca.New says what is wrong
		}
		port := base.Port()
		if port == "" {
			port = "443"
		}
		if former, taken := ports[base.Hostname()]; taken && former != port {
			port = "" // crypto/tls knows sessions by host name alone: which port this one is of, nobody can tell
		}
		ports[base.Hostname()] = port
	}
	sessions, err := tlsticket.New(tlsticket.Config{
		Redis: p.Redis, Secret: p.Config.TLSSessionSecret.Reveal(), Ports: ports, ALPN: []string{"h2", "http/1.1"},
	})
	if err != nil {
		return nil, fmt.Errorf("TLS_SESSION_SECRET: %w", err)
	}
	p.sessions = sessions
	return sessions.TLS(nil), nil
}
