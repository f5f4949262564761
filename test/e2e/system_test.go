package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/opitios-ai/alpaca-knative/local"
	"github.com/opitios-ai/alpaca-knative/shared/config"
)

// deadline bounds every wait for something that crosses sockets; reaching it fails the test.
const deadline = 15 * time.Second

// system is a running system with a client for it.
type system struct {
	t      *testing.T
	ready  local.Ready
	client *http.Client
}

// start runs a system until the test ends.
func start(t *testing.T, change ...func(*local.Config)) *system {
	t.Helper()
	return startLogged(t, zaptest.NewLogger(t, zaptest.Level(zap.ErrorLevel)), change...)
}

// startLogged is start with the test's own logger.
func startLogged(t *testing.T, logger *zap.Logger, change ...func(*local.Config)) *system {
	t.Helper()
	var cfg local.Config
	if err := config.Load(&cfg, map[string]string{"ADDR": "127.0.0.1:0"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&cfg)
	}
	running := local.New(cfg, logger)
	if err := running.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}, Timeout: deadline}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := running.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return &system{t: t, ready: running.Ready(), client: client}
}

// answer is the envelope of every answer of the native API.
type answer struct {
	status  int
	header  http.Header
	Success bool            `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   struct {
		Code    string         `json:"code"`
		Message string         `json:"message"`
		Details map[string]any `json:"details"`
	} `json:"error"`
}

// into decodes the data of a successful answer.
func (a answer) into(t *testing.T, target any) {
	t.Helper()
	if !a.Success {
		t.Fatalf("status %d: %s %s %v", a.status, a.Error.Code, a.Error.Message, a.Error.Details)
	}
	if err := json.Unmarshal(a.Data, target); err != nil {
		t.Fatalf("%s: %v", a.Data, err)
	}
}

// call sends one request with a token (empty for none); body is JSON text or empty.
func (s *system) call(token, method, path, body string, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.ready.Gateway+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header}
	if err := json.Unmarshal(bytes.TrimSpace(content), &a); err != nil {
		s.t.Fatalf("%s %s: status %d, not an envelope: %s", method, path, response.StatusCode, content)
	}
	return a
}

// eventually polls until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not happen within %s", what, deadline)
		case <-poll.C:
		}
	}
}
