// Package limits proves what holds over all instances together: that they never ask Alpaca for more than it allows, and
// that a kill switch stops every one of them.
package limits

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	processes = 8
	// lateness is the functions' UPSTREAM_TIMEOUT.
	lateness = 5 * time.Second
)

// TestEightProcessesNeverGet429: each hammers the same accounts as fast as it can, against an emulator with Alpaca's 200
// requests a minute. LIMITS_SECONDS makes it longer than the four seconds that use the budget up.
func TestEightProcessesNeverGet429(t *testing.T) {
	seconds := 4
	if text := os.Getenv("LIMITS_SECONDS"); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, accounts := range []int{1, 10} {
		t.Run(fmt.Sprintf("%d accounts", accounts), func(t *testing.T) {
			client := storetest.Server(t)
			emulated := startEmulator(t, emulator.Config{}, accounts)
			address := "redis://" + client.(*redis.Client).Options().Addr
			sent := runWorkers(t, address, emulated.URL(), accounts, time.Duration(seconds)*time.Second)
			refused, answered := 0, 0
			for _, byStatus := range emulated.Faults().Answers() {
				for status, count := range byStatus {
					answered += count
					if status == "429" {
						refused += count
					}
				}
			}
			if refused != 0 || answered != sent {
				t.Fatalf("%d times 429; %d requests sent, %d answered", refused, sent, answered)
			}
			if accounts == 1 && sent < 200 { // not by asking for little
				t.Fatalf("%d requests of 200", sent)
			}
			t.Logf("%d processes, %d accounts, %d s: %d requests, no 429", processes, accounts, seconds, sent)
		})
	}
}

// startEmulator starts an emulator with so many accounts.
func startEmulator(t *testing.T, cfg emulator.Config, accounts int) *emulator.Emulator {
	t.Helper()
	for i := range accounts {
		cfg.Accounts = append(cfg.Accounts, emulator.Account{KeyID: keyID(i), SecretKey: "secret"})
	}
	emulated, err := emulator.New(cfg, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := emulated.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = emulated.Stop(ctx) // the test is over
	})
	return emulated
}

// runWorkers starts this test binary once for each process and returns how many requests they sent.
func runWorkers(t *testing.T, redisURL, emulatorURL string, accounts int, d time.Duration) int {
	t.Helper()
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		sent int
	)
	for range processes {
		wait.Go(func() {
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWorker$", "-test.v")
			command.Env = append(os.Environ(), "LIMITS_WORKER="+strings.Join([]string{redisURL, emulatorURL, strconv.Itoa(accounts), d.String()}, "|"))
			output, err := command.CombinedOutput()
			_, rest, found := strings.Cut(string(output), "sent=")
			count, _, _ := strings.Cut(rest, "\n")
			n, parseErr := strconv.Atoi(count)
			if err != nil || !found || parseErr != nil {
				t.Errorf("a worker: %v\n%s", err, output)
			}
			mu.Lock()
			defer mu.Unlock()
			sent += n
		})
	}
	wait.Wait()
	return sent
}

// TestWorker is one of the processes, and does nothing in the test's own.
func TestWorker(t *testing.T) {
	settings := strings.Split(os.Getenv("LIMITS_WORKER"), "|")
	if len(settings) != 4 {
		t.Skip("not a worker")
	}
	accounts, _ := strconv.Atoi(settings[2])
	life, _ := time.ParseDuration(settings[3])
	redisClient, err := store.Open(settings[0], store.Options{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer redisClient.Close()
	budget := bucket.NewUpstream(redisClient, bucket.UpstreamConfig{
		Allowance: func(string, string) bucket.Allowance { return bucket.Allowance{Limit: 200, Reserve: 20} },
		Lateness:  lateness, Patience: 10 * time.Second, Clock: clock.System{}, Logger: zap.NewNop(),
	})
	counted := &counting{Budget: budget}
	client, err := alpaca.New(alpaca.Config{TradingURL: settings[1], DataURL: settings[1], Timeout: lateness}, alpaca.Dependencies{Budget: counted})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	hammer(t, client, accounts, life)
	fmt.Printf("sent=%d\n", counted.count())
}

// counting counts what the budget let through.
type counting struct {
	alpaca.Budget
	mu   sync.Mutex
	sent int
}

func (c *counting) Take(ctx context.Context, s alpaca.Spending) (alpaca.Spent, error) {
	spent, err := c.Budget.Take(ctx, s)
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sent++
	}
	return spent, err
}

func (c *counting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent
}

// hammer reads and cancels with four goroutines until the time is over.
func hammer(t *testing.T, client *alpaca.Client, accounts int, life time.Duration) {
	var wait sync.WaitGroup
	until := time.Now().Add(life)
	for i := range 4 {
		wait.Go(func() {
			for n := i; time.Now().Before(until); n++ {
				key := "PK" + strconv.Itoa(n%accounts)
				cred := alpaca.Credentials{KeyID: key, SecretKey: "secret", AccountID: key}
				var err error
				if n%3 == 0 {
					_, err = client.CancelAllOrders(t.Context(), cred)
				} else {
					_, err = client.Account(t.Context(), cred)
				}
				var answered *alpaca.Error
				if errors.As(err, &answered) && answered.Status == 429 {
					t.Errorf("%s: Alpaca answered 429", key)
				}
			}
		})
	}
	wait.Wait()
}
