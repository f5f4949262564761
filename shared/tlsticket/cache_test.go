package tlsticket_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/tlsticket"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const secret = "0123456789abcdef0123456789abcdef"

// host is a name in the certificate of httptest.
const host = "example.com"

func newCache(t testing.TB, client redis.Scripter, change func(*tlsticket.Config)) *tlsticket.Cache {
	t.Helper()
	cfg := tlsticket.Config{
		Redis: client, Secret: secret, Ports: map[string]string{host: "443"}, ALPN: []string{"http/1.1"}, Roots: "test",
		Patience: 20 * time.Second, // a busy machine's
	}
	if change != nil {
		change(&cfg)
	}
	c, err := tlsticket.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func startServer(t testing.TB, version uint16) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	server.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func roots(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

// connect makes one request on a new connection and reports whether it resumed a session.
func connect(t testing.TB, server *httptest.Server, c *tlsticket.Cache, trusted *x509.CertPool) (bool, error) {
	t.Helper()
	raw, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, c.TLS(&tls.Config{RootCAs: trusted, ServerName: host}))
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if err := conn.Handshake(); err != nil {
		return false, err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(conn) // with it come the tickets of TLS 1.3
	return conn.ConnectionState().DidResume, nil
}

// A cold instance resumes the session of another, once.
func TestSessionIsSharedAndUsedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			server := startServer(t, version)
			change := func(cfg *tlsticket.Config) { cfg.Roots = tls.VersionName(version) }
			first := newCache(t, client, change)
			if resumed, err := connect(t, server, first, roots(server)); resumed || err != nil {
				t.Fatalf("%s: resumed %t, %v", tls.VersionName(version), resumed, err)
			}
			first.Close(t.Context())
			stranger := newCache(t, client, func(cfg *tlsticket.Config) { change(cfg); cfg.Secret = secret + "x" })
			foreign := newCache(t, client, func(cfg *tlsticket.Config) { change(cfg); cfg.Ports = map[string]string{host: "8443"} })
			if n := foreign.Prefetch(t.Context()); n != 0 {
				t.Errorf("%s: another port got a session", tls.VersionName(version))
			}
			second := newCache(t, client, change)
			storetest.Eventually(t, "the session is there", func() bool { return second.Prefetch(t.Context()) == 1 })
			if n := newCache(t, client, change).Prefetch(t.Context()) + stranger.Prefetch(t.Context()); n != 0 {
				t.Errorf("%s: the session was there twice", tls.VersionName(version))
			}
			if resumed, err := connect(t, server, second, roots(server)); !resumed || err != nil {
				t.Errorf("%s: resumed %t, %v", tls.VersionName(version), resumed, err)
			}
			second.Close(t.Context()) // what the server gave it goes on
			third := newCache(t, client, change)
			storetest.Eventually(t, "the next session is there", func() bool { return third.Prefetch(t.Context()) == 1 })
			if _, err := connect(t, server, third, x509.NewCertPool()); err == nil {
				t.Errorf("%s: resumed without trust", tls.VersionName(version))
			}
		}
	})
}

// BenchmarkHandshake is the CPU time and latency of both ends, on loopback: no round trip is saved on TLS 1.3.
func BenchmarkHandshake(b *testing.B) {
	server := startServer(b, tls.VersionTLS13)
	trusted := roots(server)
	for name, resume := range map[string]bool{"full": false, "resumed": true} {
		b.Run(name, func(b *testing.B) {
			c := newCache(b, nil, func(cfg *tlsticket.Config) { cfg.Ports = nil })
			resumed := 0
			for b.Loop() {
				if !resume {
					c.Get(host)
				}
				did, err := connect(b, server, c, trusted)
				if err != nil {
					b.Fatal(err)
				}
				if did {
					resumed++
				}
			}
			b.ReportMetric(float64(resumed)/float64(b.N), "resumed/op")
		})
	}
}

func TestShortSecretIsRefused(t *testing.T) {
	if _, err := tlsticket.New(tlsticket.Config{Secret: "short"}); err == nil {
		t.Fatal("accepted")
	}
}
