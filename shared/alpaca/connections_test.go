package alpaca

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestPoolGaugeNamesTheAccountOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("[]")) }))
	defer server.Close()
	for name, perAccount := range map[string]bool{"by host": false, "by account": true} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			client, err := New(Config{TradingURL: server.URL, DataURL: server.URL, MetricsPerAccount: perAccount}, Dependencies{Registerer: registry})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if _, err := client.Positions(t.Context(), Credentials{KeyID: "k", SecretKey: "s", AccountID: "acc-1"}); err != nil {
				t.Fatal(err)
			}
			families, err := registry.Gather()
			if err != nil || len(families) != 1 {
				t.Fatalf("%v, %v", families, err)
			}
			labels := map[string]string{}
			for _, label := range families[0].GetMetric()[0].GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if account, labelled := labels["account_id"]; labelled != perAccount || labelled && account != "acc-1" {
				t.Fatalf("labels %v", labels)
			}
		})
	}
}

func TestHandshakesAreCountedByResumption(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(answering(http.StatusOK, "[]"))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	// A name, as Alpaca has one: httptest's certificate is also for example.com.
	trust := &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}
	registry := prometheus.NewRegistry()
	client := newTestClient(t, Config{TradingURL: server.URL, DataURL: server.URL, TLS: trust}, Dependencies{Registerer: registry})
	for range 3 {
		if _, err := client.Positions(t.Context(), Credentials{KeyID: "k", SecretKey: "s"}); err != nil {
			t.Fatal(err)
		}
		client.transport.CloseIdleConnections()
	}
	want := `# HELP upstream_tls_handshakes_total TLS handshakes with an upstream host; a resumed one needed no certificates and no signature.
# TYPE upstream_tls_handshakes_total counter
upstream_tls_handshakes_total{host="example.com",resumed="false"} 1
upstream_tls_handshakes_total{host="example.com",resumed="true"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "upstream_tls_handshakes_total"); err != nil {
		t.Error(err)
	}
}
