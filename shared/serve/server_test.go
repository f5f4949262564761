package serve_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// function is a serve.Function that a test steers.
type function struct {
	start, entered, proceed chan struct{}
	startErr, ready         error
	stopped                 chan struct{}
}

func newFunction() *function {
	f := &function{
		start: make(chan struct{}), entered: make(chan struct{}, 1), proceed: make(chan struct{}), stopped: make(chan struct{}),
	}
	close(f.start)
	return f
}

func (f *function) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/slow" {
		f.entered <- struct{}{}
		select {
		case <-f.proceed:
		case <-r.Context().Done():
			return
		}
	}
	_, _ = io.WriteString(w, r.Proto)
}

func (f *function) Start(context.Context) error             { <-f.start; return f.startErr }
func (f *function) Stop(context.Context) error              { close(f.stopped); return nil }
func (f *function) Ready(context.Context) (bool, error)     { return f.ready == nil, f.ready }
func (f *function) Alive(ctx context.Context) (bool, error) { return ctx.Err() == nil, ctx.Err() }

func newServer(t *testing.T, f *function, config serve.ServerConfig) *serve.Server {
	t.Helper()
	a := newAPI(t)
	if config.Address == "" {
		config.Address = "127.0.0.1:0"
	}
	config.QuietPeriod, config.Logger, config.Metrics = time.Millisecond, a.logger, a.http
	return serve.NewServer(config, f)
}

func start(t *testing.T, f *function, config serve.ServerConfig) *serve.Server {
	t.Helper()
	s := newServer(t, f, config)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// client is an HTTP client with connections of its own, over h2c or HTTP/1.1.
func client(t *testing.T, h2c bool) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2c)
	protocols.SetUnencryptedHTTP2(h2c)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func get(c *http.Client, url, userAgent string) (int, string, error) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("User-Agent", userAgent)
	answer, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, strings.TrimSpace(string(body)), err
}

const kubelet = "kube-probe/1.33"

func TestServerSpeaksBothProtocols(t *testing.T) {
	t.Parallel()
	s := start(t, newFunction(), serve.ServerConfig{})
	for h2c, want := range map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"} {
		if status, body, err := get(client(t, h2c), s.URL(), ""); status != 200 || body != want || err != nil {
			t.Errorf("h2c %t: %d %s, %v", h2c, status, body, err)
		}
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	f := newFunction()
	s := start(t, f, serve.ServerConfig{})
	c := client(t, false)
	check := func(path, userAgent string, status int, text string) {
		t.Helper()
		if got, body, err := get(c, s.URL()+path, userAgent); got != status || body != text || err != nil {
			t.Errorf("%s by %q: %d %s, %v", path, userAgent, got, body, err)
		}
	}
	for _, userAgent := range []string{kubelet, "curl"} {
		check("/healthz", userAgent, 200, "ok")
		check("/readyz", userAgent, 200, "ok")
	}
	f.ready = errors.New("no accounts")
	for _, userAgent := range []string{kubelet, "curl"} {
		check("/healthz", userAgent, 200, "ok")
		check("/readyz", userAgent, 503, "no accounts")
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBeforeTheFunctionIsStarted(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.start = make(chan struct{})
	address := freeAddress(t)
	s := newServer(t, f, serve.ServerConfig{Address: address})
	started := make(chan error, 1)
	go func() { started <- s.Start(context.WithoutCancel(t.Context())) }()
	c := client(t, false)
	waitFor(t, func() bool { status, _, _ := get(c, "http://"+address+"/healthz", kubelet); return status == 200 })
	for path, want := range map[string]string{"/readyz": "not started", "/api": "starting"} {
		if status, body, err := get(c, "http://"+address+path, ""); status != 503 || body != want || err != nil {
			t.Errorf("%s: %d %s, %v", path, status, body, err)
		}
	}
	close(f.start)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	if status, _, err := get(c, "http://"+address+"/readyz", ""); status != 200 || err != nil {
		t.Errorf("started: %d, %v", status, err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestStopFinishesRequestsUnderWay(t *testing.T) {
	t.Parallel()
	for name, h2c := range map[string]bool{"HTTP/1.1": false, "h2c": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFunction()
			s := start(t, f, serve.ServerConfig{StopTimeout: 20 * time.Second})
			c, probe := client(t, h2c), client(t, false)
			type answer struct {
				status int
				body   string
				err    error
			}
			answered := make(chan answer, 1)
			go func() {
				status, body, err := get(c, s.URL()+"/slow", "")
				answered <- answer{status, body, err}
			}()
			<-f.entered
			stopped := make(chan error, 1)
			go func() { stopped <- s.Stop(context.WithoutCancel(t.Context())) }()
			// Draining shows at the probes, or the listener is closed already.
			waitFor(t, func() bool {
				status, _, err := get(probe, s.URL()+"/readyz", kubelet)
				return status == 503 || err != nil
			})
			select {
			case <-f.stopped:
				t.Fatal("the function was stopped under a request")
			case err := <-stopped:
				t.Fatalf("stopped under a request: %v", err)
			default:
			}
			close(f.proceed)
			if got := <-answered; got.status != 200 || got.body != name && !h2c || got.err != nil {
				t.Errorf("%+v", got)
			}
			if err := <-stopped; err != nil {
				t.Errorf("stop: %v", err)
			}
			<-f.stopped
			waitFor(t, refused(s))
		})
	}
}

func TestStopEndsARequestThatNeverDoes(t *testing.T) {
	t.Parallel()
	f := newFunction()
	s := start(t, f, serve.ServerConfig{StopTimeout: 100 * time.Millisecond})
	c, failed := client(t, false), make(chan error, 1)
	go func() {
		_, _, err := get(c, s.URL()+"/slow", "")
		failed <- err
	}()
	<-f.entered
	if err := s.Stop(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v", err)
	}
	if err := <-failed; err == nil {
		t.Error("the request was answered")
	}
	<-f.stopped
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.startErr = errors.New("no accounts file")
	s := newServer(t, f, serve.ServerConfig{})
	if err := s.Start(t.Context()); !errors.Is(err, f.startErr) {
		t.Errorf("got %v", err)
	}
	waitFor(t, refused(s)) // the goroutine that serves closes the listener
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := newServer(t, newFunction(), serve.ServerConfig{Address: taken.Addr().String()}).Start(t.Context()); err == nil {
		t.Error("listened on an address that is taken")
	}
}

func TestActiveConnections(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	s := serve.NewServer(serve.ServerConfig{Address: "127.0.0.1:0", QuietPeriod: time.Millisecond, Logger: a.logger, Metrics: a.http}, newFunction())
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	open := func(n string) func() bool {
		want := "# HELP active_connections Open client connections.\n# TYPE active_connections gauge\nactive_connections " + n + "\n"
		return func() bool {
			return testutil.GatherAndCompare(a.registry, strings.NewReader(want), "active_connections") == nil
		}
	}
	c := client(t, false)
	if _, _, err := get(c, s.URL(), ""); err != nil {
		t.Fatal(err)
	}
	waitFor(t, open("1"))
	c.CloseIdleConnections()
	waitFor(t, open("0"))
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// refused reports whether the server takes no connection any more.
func refused(s *serve.Server) func() bool {
	return func() bool {
		connection, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
		if err == nil {
			_ = connection.Close()
		}
		return err != nil
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.Tick(time.Millisecond); !condition(); <-tick {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass")
		}
	}
}
