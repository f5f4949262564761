package warmup_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/knative/warmup"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	minScale = "autoscaling.knative.dev/min-scale"
	maxScale = "autoscaling.knative.dev/max-scale"
	token    = "token-of-the-service-account"
	path     = "/apis/serving.knative.dev/v1/namespaces/opitios/revisions"
)

// apiServer is as much of Kubernetes as the job may use: anything else is refused, as its Role would.
type apiServer struct {
	server *httptest.Server
	folder string

	mu        sync.Mutex
	revisions map[string]*revision
	patches   int
	fail      string // the revision whose patch fails
}

type revision struct {
	service, routing string
	annotations      map[string]string
	desired          int
}

func startAPI(t *testing.T, revisions map[string]*revision) *apiServer {
	t.Helper()
	a := &apiServer{revisions: revisions, folder: t.TempDir()}
	a.server = httptest.NewTLSServer(a)
	t.Cleanup(a.server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})
	for name, content := range map[string]string{"token": token + "\n", "ca.crt": string(authority)} {
		if err := os.WriteFile(filepath.Join(a.folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	name, below := strings.CutPrefix(r.URL.Path, path+"/")
	found := a.revisions[name]
	switch {
	case r.Header.Get("Authorization") != "Bearer "+token:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodGet && r.URL.Path == path:
		a.list(w)
	case r.Method != http.MethodPatch || !below || found == nil || name == a.fail:
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"kind":"Status","message":"not allowed"}`)
	case r.Header.Get("Content-Type") != "application/merge-patch+json":
		w.WriteHeader(http.StatusUnsupportedMediaType)
	default:
		a.patch(w, r, found)
	}
}

func (a *apiServer) list(w io.Writer) {
	items := []any{}
	for name, r := range a.revisions {
		items = append(items, map[string]any{
			"metadata": map[string]any{
				"name": name, "annotations": r.annotations,
				"labels": map[string]string{"serving.knative.dev/service": r.service, "serving.knative.dev/routingState": r.routing},
			},
			"status": map[string]any{"desiredReplicas": r.desired},
		})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
}

func (a *apiServer) patch(w http.ResponseWriter, r *http.Request, to *revision) {
	var body struct {
		Metadata struct {
			Annotations map[string]*string `json:"annotations"`
		} `json:"metadata"`
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	a.patches++
	for name, value := range body.Metadata.Annotations {
		if value == nil {
			delete(to.annotations, name)
			continue
		}
		to.annotations[name] = *value
	}
	_, _ = io.WriteString(w, "{}")
}

func (a *apiServer) minOf(name string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.revisions[name].annotations[minScale]
}

func (a *apiServer) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// run runs the job at a time of New York.
func (a *apiServer) run(t *testing.T, at string) error {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	now, err := time.ParseInLocation("2006-01-02 15:04", at, zone)
	if err != nil {
		t.Fatal(err)
	}
	var cfg warmup.Config
	err = config.Load(&cfg, map[string]string{
		"NAMESPACE": "opitios", "WARM_SCALE": "quote=3, order=2", "KUBERNETES_API": a.server.URL,
		"KUBERNETES_TOKEN_FILE": filepath.Join(a.folder, "token"), "KUBERNETES_CA_FILE": filepath.Join(a.folder, "ca.crt"),
	})
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := warmup.NewCluster(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	job := warmup.Job{Config: cfg, Revisions: cluster, Clock: clock.NewFake(now), Logger: zap.NewNop()}
	return job.Run(context.Background())
}

func (a *apiServer) must(t *testing.T, at string) {
	t.Helper()
	if err := a.run(t, at); err != nil {
		t.Fatalf("%s: %v", at, err)
	}
}

func serving(service string, annotations map[string]string) *revision {
	if annotations == nil {
		annotations = map[string]string{}
	}
	return &revision{service: service, routing: "active", annotations: annotations}
}

func TestWarmsBeforeTheOpenAndCoolsAfterTheRush(t *testing.T) {
	t.Parallel()
	api := startAPI(t, map[string]*revision{
		"quote-2":   serving("quote", map[string]string{maxScale: "20"}),
		"quote-1":   {service: "quote", routing: "reserve", annotations: map[string]string{}},
		"order-1":   serving("order", map[string]string{minScale: "1"}),
		"account-1": serving("account", nil), // not in WARM_SCALE
	})
	for _, step := range []struct{ at, quote, order string }{
		{"2026-11-25 09:09", "", "1"},
		{"2026-11-25 09:10", "3", "2"},
		{"2026-11-25 09:10", "3", "2"}, // again
		{"2026-11-25 10:04", "3", "2"},
		{"2026-11-25 10:05", "", "1"},
		{"2026-11-25 10:05", "", "1"},
		{"2026-11-26 09:30", "", "1"},  // Thanksgiving
		{"2026-11-27 09:15", "3", "2"}, // a half day opens as any other
		{"2026-11-28 09:30", "", "1"},  // what a Friday's lost runs left is taken back on Saturday
	} {
		api.must(t, step.at)
		if quote, order := api.minOf("quote-2"), api.minOf("order-1"); quote != step.quote || order != step.order {
			t.Errorf("%s: quote %q, order %q; want %q, %q", step.at, quote, order, step.quote, step.order)
		}
	}
	if got := api.minOf("quote-1") + api.minOf("account-1"); got != "" {
		t.Errorf("others were changed: %q", got)
	}
	if api.patches != 8 {
		t.Errorf("%d patches, want 8: what is as it should be is left alone", api.patches)
	}
	for name, want := range map[string]map[string]string{"quote-2": {maxScale: "20"}, "order-1": {minScale: "1"}} {
		if got := api.revisions[name].annotations; !maps.Equal(got, want) {
			t.Errorf("%s is left with %v", name, got)
		}
	}
}

func TestARolloutDuringTheRush(t *testing.T) {
	t.Parallel()
	former := serving("quote", nil)
	api := startAPI(t, map[string]*revision{"quote-1": former})
	api.must(t, "2026-11-25 09:20")
	api.set(func() { former.routing, api.revisions["quote-2"] = "reserve", serving("quote", nil) })
	api.must(t, "2026-11-25 09:22")
	if one, two := api.minOf("quote-1"), api.minOf("quote-2"); one != "" || two != "3" {
		t.Errorf("old %q, new %q; want the old one cold and the new one warm", one, two)
	}
}

func TestYesterdaysPeak(t *testing.T) {
	t.Parallel()
	api := startAPI(t, map[string]*revision{"quote-1": serving("quote", map[string]string{maxScale: "8"})})
	desired := func(n int) { api.set(func() { api.revisions["quote-1"].desired = n }) }
	api.must(t, "2026-11-24 09:15")
	desired(12)
	api.must(t, "2026-11-24 09:20") // before the open: no rush yet
	desired(5)
	api.must(t, "2026-11-24 09:32")
	desired(4)
	api.must(t, "2026-11-24 09:34")
	api.must(t, "2026-11-24 10:10")
	for _, step := range []struct{ at, want string }{
		{"2026-11-25 09:15", "5"},
		{"2026-11-27 09:15", "5"}, // the day between left no figure: five were enough
		{"2026-12-02 09:15", "3"}, // eight days later
	} {
		desired(5)
		api.must(t, step.at)
		if got := api.minOf("quote-1"); got != step.want {
			t.Errorf("%s: %q, want %q", step.at, got, step.want)
		}
	}
	desired(30)
	api.must(t, "2026-12-02 09:40")
	api.must(t, "2026-12-03 09:15")
	if got := api.minOf("quote-1"); got != "8" {
		t.Errorf("%q pods, want no more than the Revision's maximum", got)
	}
}

func TestOneFailureLeavesTheOthers(t *testing.T) {
	t.Parallel()
	api := startAPI(t, map[string]*revision{"quote-1": serving("quote", nil), "order-1": serving("order", nil)})
	api.fail = "quote-1"
	if err := api.run(t, "2026-11-25 09:20"); err == nil || !strings.Contains(err.Error(), "quote-1") || !strings.Contains(err.Error(), "not allowed") {
		t.Errorf("got %v", err)
	}
	if got := api.minOf("order-1"); got != "2" {
		t.Errorf("order %q", got)
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"WARM_SCALE": "quote", "WARM_LEAD": "6h", "WARM_RUSH": "0s", "NAMESPACE": ""} {
		var cfg warmup.Config
		if err := config.Load(&cfg, map[string]string{"NAMESPACE": "x", name: value}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
	var cfg warmup.Config
	if err := config.Load(&cfg, map[string]string{"NAMESPACE": "x", "WARM_SCALE": "quote=1000"}); err == nil {
		t.Error("1000 pods are accepted")
	}
}
