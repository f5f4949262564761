package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// The goals of the design's section 10 for quotes.
const (
	goalOfBare        = 0.70 // of a bare net/http handler's requests
	goalOfPredecessor = 10.0 // times the predecessor's requests
	quoteConnections  = 64
	quoteRounds       = 7
	quotePath         = "/api/v1/stocks/AAPL/quote"
)

// served is a program in a process of its own.
type served struct {
	address string
	command *exec.Cmd
	logs    bytes.Buffer
}

func (s *served) stop() {
	_ = s.command.Process.Signal(syscall.SIGTERM)
	_ = s.command.Wait() // its status is of no interest: what was measured is measured
}

// serveProgram starts a program that listens on PORT.
func serveProgram(ctx context.Context, environ []string, program string, arguments ...string) (*served, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	s := &served{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), command: exec.CommandContext(ctx, program, arguments...)}
	s.command.Env = append(slices.Clone(environ), "PORT="+strconv.Itoa(port))
	s.command.Stderr = &s.logs
	if err := s.command.Start(); err != nil {
		return nil, fmt.Errorf("%w (run make build)", err)
	}
	if _, err := dialWhenListening(ctx, s.address); err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w: %s", program, err, s.logs.String())
	}
	return s, nil
}

// quoteEnviron is the environment of a quote function whose limits stay in the path and refuse nothing.
func (b *backing) quoteEnviron(more ...string) []string {
	return slices.Concat(b.environ, []string{"QUOTES_PER_SECOND=1000000000", "REQUESTS_PER_SECOND=1000000000"}, more)
}

func (b *backing) serveQuote(ctx context.Context, bin string, more ...string) (*served, error) {
	s, err := serveProgram(ctx, b.quoteEnviron(more...), filepath.Join(bin, "quote"))
	if err != nil {
		return nil, err
	}
	if _, err := waitFor200(ctx, "http://"+s.address+quotePath, b.token); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w: %s", err, s.logs.String())
	}
	return s, nil
}

// request is a quote's request as bytes, the same for every server.
func (b *backing) request() func(dst []byte, connection, number int) []byte {
	request := []byte("GET " + quotePath + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + b.token + "\r\n\r\n")
	return func(dst []byte, _, _ int) []byte { return append(dst, request...) }
}

// measureQuotes measures the cached quote, all checks on, against a bare handler that writes as many bytes, and against
// the predecessor's stack.
func measureQuotes(ctx context.Context, o options) ([]row, error) {
	b, err := startQuoteBesideBare(ctx, o.bin)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	addresses := []string{b.quote.address, b.bare}
	predecessor, missing, err := b.servePredecessor(ctx)
	if err != nil {
		return nil, err
	}
	if predecessor != nil {
		defer predecessor.stop()
		addresses = append(addresses, predecessor.address)
	} else {
		fmt.Println(missing)
	}
	rates, err := b.turns(ctx, addresses, o.load/quoteRounds)
	if err != nil {
		return nil, err
	}
	rows := []row{ratio("cached quote of a bare handler's requests", rates[0], rates[1], goalOfBare)}
	if predecessor != nil {
		rows = append(rows, ratio("cached quote of the predecessor's requests", rates[0], rates[2], goalOfPredecessor))
	}
	return rows, nil
}

// turns loads the servers by turns, so that what else the machine does meets all, and returns their rates by round.
func (b *backing) turns(ctx context.Context, addresses []string, each time.Duration) ([][]float64, error) {
	rates := make([][]float64, len(addresses))
	for round := range quoteRounds + 1 {
		for i, address := range addresses {
			measured, err := measureLoad(ctx, address, load{address: address, connections: quoteConnections, most: each, next: b.request()})
			if err != nil {
				return nil, err
			}
			if round > 0 { // the first one warms up
				rates[i] = append(rates[i], measured.perSecond())
			}
		}
	}
	return rates, nil
}

// ratio compares two servers round by round.
func ratio(what string, own, peer []float64, goal float64) row {
	ratios := make([]float64, len(own))
	for i := range own {
		ratios[i] = own[i] / peer[i]
	}
	made := newRow(what, ratios, goal, "x")
	made.spread = fmt.Sprintf("%.2f .. %.2f; %.0f /s against %.0f /s, %d connections", ratios[0], ratios[len(ratios)-1],
		newRow("", own, 1, "").figure, newRow("", peer, 1, "").figure, quoteConnections)
	made.atLeast = true
	return made
}

func bodySize(ctx context.Context, url, token string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return len(body), err
}

// servePredecessor starts the predecessor's stack, or says what of it is missing here.
func (b *backing) servePredecessor(ctx context.Context) (s *served, missing string, err error) {
	python, reason := findPython(ctx)
	if python == "" {
		return nil, fmt.Sprintf("no comparison with the predecessor: %s (Debian: apt-get install python3-fastapi python3-uvicorn python3-uvloop python3-redis python3-jwt)",
			reason), nil
	}
	if err := b.seedPredecessor(ctx); err != nil {
		return nil, "", err
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, "", err
	}
	s = &served{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	s.command = exec.CommandContext(ctx, python, "test/bench/peers/predecessor.py", strconv.Itoa(port), strconv.Itoa(b.redisPort))
	s.command.Env = append(os.Environ(), "JWT_SECRET="+benchSecret)
	s.command.Stderr = &s.logs
	if err := s.command.Start(); err != nil {
		return nil, "", err
	}
	if _, err := waitFor200(ctx, "http://"+s.address+quotePath, b.token); err != nil {
		s.stop()
		return nil, "", fmt.Errorf("predecessor: %w: %s", err, s.logs.String())
	}
	return s, "", nil
}

// findPython returns the Python that has what the predecessor needs, Debian's own before any other, or the reason why none
// does.
func findPython(ctx context.Context) (python, reason string) {
	for _, candidate := range []string{"/usr/bin/python3", "python3"} {
		output, err := exec.CommandContext(ctx, candidate, "-c", "import fastapi, uvicorn, uvloop, redis, jwt").CombinedOutput()
		if err == nil {
			return candidate, ""
		}
		if lines := bytes.Split(bytes.TrimSpace(output), []byte("\n")); reason == "" {
			reason = string(lines[len(lines)-1])
		}
		if reason == "" {
			reason = err.Error()
		}
	}
	return "", reason
}

// seedPredecessor puts a quote of the former form and a full bucket into Redis.
func (b *backing) seedPredecessor(ctx context.Context) error {
	quote, err := json.Marshal(map[string]any{
		"symbol": "AAPL", "bid_price": 187.4, "ask_price": 187.42, "last_price": 187.41, "bid_size": 200, "ask_size": 300,
		"volume": 1234567, "timestamp": time.Now().UTC(),
	})
	if err != nil {
		return err
	}
	// The document's script decrements a bucket that it never fills: without one the second request would be refused.
	for key, value := range map[string]string{"peer-quote:AAPL": string(quote), "rate:" + benchAccount: "1000000000"} {
		output, err := exec.CommandContext(ctx, "redis-cli", "-p", strconv.Itoa(b.redisPort), "SET", key, value).CombinedOutput()
		if err != nil {
			return errors.Join(err, errors.New(string(output)))
		}
	}
	return nil
}
