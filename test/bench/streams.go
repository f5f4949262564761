package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"
	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// The load of the streaming benchmark: each symbol has streamClients*topicsPerClient/streamSymbols readers, so that
// every tick is delivered 80 times, 400,000 messages are offered a second.
const (
	streamClients   = 2000
	topicsPerClient = 20
	streamSymbols   = 500
	ticksPerSecond  = 5000
	streamFor       = 8 * time.Second
	slowOneIn       = 100 // clients that never read
	goalMessages    = 200_000
	goalClientKiB   = 32
)

// streamVariable makes this program the clients of the benchmark, so that their CPU time is told apart.
const streamVariable = "BENCH_STREAM_CLIENTS"

// measureStreams prints what streams cost: messages a second and core of the function's own CPU time, and memory of a
// client.
func measureStreams(ctx context.Context, o options) ([]row, error) {
	if err := checkOpenFiles(); err != nil {
		return nil, err
	}
	b, err := startBacking(ctx, o.bin)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	function := exec.CommandContext(ctx, filepath.Join(o.bin, "quote"))
	function.Env = append(slices.Clone(b.environ), "PORT="+strconv.Itoa(port), "STREAM_CONNECTIONS_PER_ACCOUNT=10000")
	function.Stderr = os.Stderr
	if err := function.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = function.Process.Signal(syscall.SIGTERM)
		_ = function.Wait() // its status is of no interest
	}()
	url := "http://127.0.0.1:" + strconv.Itoa(port)
	if _, err := waitFor200(ctx, url+"/readyz", b.token); err != nil {
		return nil, err
	}
	before, err := residentMemory(function.Process.Pid)
	if err != nil {
		return nil, err
	}
	clients := exec.CommandContext(ctx, os.Args[0])
	clients.Env = append(os.Environ(), streamVariable+"="+url+" "+b.token)
	input, err := clients.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := clients.StdoutPipe()
	if err != nil {
		return nil, err
	}
	clients.Stderr = os.Stderr
	if err := clients.Start(); err != nil {
		return nil, err
	}
	line := make([]byte, 64)
	if _, err := output.Read(line); err != nil { // "connected"
		return nil, fmt.Errorf("the clients: %w", err)
	}
	time.Sleep(time.Second)
	connected, err := residentMemory(function.Process.Pid)
	if err != nil {
		return nil, err
	}
	cpuBefore, sentBefore := processCPU(function.Process.Pid), streamMetric(url, "stream_messages_total")
	skippedBefore := streamMetric(url, "stream_skipped_total")
	began := time.Now()
	if err := publishTicks(ctx, b); err != nil {
		return nil, err
	}
	took := time.Since(began).Seconds()
	cpu := (processCPU(function.Process.Pid) - cpuBefore).Seconds()
	sent, skipped := streamMetric(url, "stream_messages_total")-sentBefore, streamMetric(url, "stream_skipped_total")-skippedBefore
	loaded, err := residentMemory(function.Process.Pid)
	if err != nil {
		return nil, err
	}
	_ = input.Close()
	counted, _ := io.ReadAll(output)
	_ = clients.Wait()
	fmt.Printf("\nstreams: %d clients x %d symbols, one in %d never reads, %d ticks/s published for %.1f s\n", streamClients, topicsPerClient, slowOneIn, ticksPerSecond, took)
	fmt.Printf("  sent %.0f messages (%.0f/s), clients read %s, %.0f conflated for the slow ones\n", sent, sent/took, strings.TrimSpace(string(counted)), skipped)
	fmt.Printf("  CPU: function %.2f s, clients %.2f s (user+system)\n", cpu, (clients.ProcessState.UserTime() + clients.ProcessState.SystemTime()).Seconds())
	perCore, perClient := sent/cpu, (connected-before)*1024/streamClients
	return []row{
		{what: "streams: us of the function's CPU a message (goal: 200,000/s a core)", figure: 1e6 / perCore, goal: 1e6 / goalMessages, unit: "us", spread: fmt.Sprintf("%.0f messages/s a core", perCore)},
		{what: "streams: memory a client", figure: perClient, goal: goalClientKiB, unit: "KiB", spread: fmt.Sprintf("%.1f under load", (loaded-before)*1024/streamClients)},
	}, nil
}

// checkOpenFiles says what is missing when the clients' connections would not fit. Go raises the soft limit of every
// process to the hard one by itself, so that only the hard one can be too low.
func checkOpenFiles() error {
	const others = 100
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	if limit.Max < streamClients+others {
		return fmt.Errorf("a process may have %d open files and needs %d: raise the hard limit (ulimit -Hn)", limit.Max, streamClients+others)
	}
	return nil
}

// publishTicks does what the feed does: batches every 5 ms, in the channels of the symbols' shards.
func publishTicks(ctx context.Context, b *backing) error {
	var address string
	for _, variable := range b.environ {
		if after, ok := strings.CutPrefix(variable, "REDIS_URL="); ok {
			address = after
		}
	}
	client, err := store.Open(address, store.Options{Timeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer client.Close()
	const every = 5 * time.Millisecond
	perBatch := ticksPerSecond * int(every) / int(time.Second)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	sequences := make([]uint64, tick.Shards)
	var scratch []byte
	next := 0
	for until := time.Now().Add(streamFor); time.Now().Before(until); <-ticker.C {
		batches := make([]tick.Batch, tick.Shards)
		for range perBatch {
			e := tick.Event{
				Topic: tick.Topic{Class: tick.Stock, Kind: tick.Quote, Symbol: benchSymbol(next % streamSymbols)}, At: time.Now(),
				BidPrice: decimal.FromInt(int64(100 + next%50)), BidSize: decimal.FromInt(3), BidExchange: "V",
				AskPrice: decimal.FromInt(int64(101 + next%50)), AskSize: decimal.FromInt(4), AskExchange: "Q",
			}
			next++
			scratch = batches[tick.Shard(e.Symbol)].Add(&e, scratch)
		}
		_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for shard := range batches {
				if batches[shard].Len() > 0 {
					sequences[shard]++
					pipe.Publish(ctx, store.TicksChannel(tick.Stock.String(), shard), batches[shard].AppendTo(nil, 1, sequences[shard]))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func benchSymbol(i int) string {
	return string([]byte{'Z', 'A' + byte(i/26/26%26), 'A' + byte(i/26%26), 'A' + byte(i%26)})
}

// streamProcess is the process of the clients: it says when all are connected, and at the end of its input how many
// messages they read.
func streamProcess(ctx context.Context, setting string) error {
	url, token, _ := strings.Cut(setting, " ")
	var read atomic.Int64
	var opened sync.WaitGroup
	failed := make(chan error, streamClients)
	slots := make(chan struct{}, 64)
	for i := range streamClients {
		opened.Add(1)
		go func() {
			slots <- struct{}{}
			conn, err := openStream(ctx, url, token, i)
			<-slots
			opened.Done()
			if err != nil {
				failed <- err
				return
			}
			for i%slowOneIn != 0 {
				_, frame, err := conn.Read(ctx)
				if err != nil {
					return
				}
				read.Add(int64(bytes.Count(frame, []byte(`"type":"quote"`))))
			}
			<-ctx.Done()
			_ = conn.CloseNow()
		}()
	}
	opened.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Println("connected")
	_, _ = io.Copy(io.Discard, os.Stdin)
	fmt.Println(read.Load())
	return nil
}

func openStream(ctx context.Context, url, token string, i int) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, url+"/api/v1/ws/market-data", &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(1 << 20)
	symbols := make([]string, topicsPerClient)
	for j := range symbols {
		symbols[j] = strconv.Quote(benchSymbol((i*topicsPerClient + j) % streamSymbols))
	}
	request := `{"action":"subscribe","quotes":[` + strings.Join(symbols, ",") + `]}`
	return conn, conn.Write(ctx, websocket.MessageText, []byte(request))
}

// processCPU is the CPU time that a process has used, user and system.
func processCPU(pid int) time.Duration {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	const ticksOfASecond = 100 // of Linux, everywhere
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	if errors.Join(errUser, errSystem) != nil {
		return 0
	}
	return time.Duration(user+system) * time.Second / ticksOfASecond
}

func streamMetric(url, name string) float64 {
	answer, err := http.Get(url + "/metrics")
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	content, _ := io.ReadAll(answer.Body)
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			value, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return value
		}
	}
	return 0
}
