package alpaca

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
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
