package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// What the emulator must bear, on two cores that it shares with the client.
const (
	goalOrders         = 8_000.0  // a second, with fills, holds and events
	goalQuoteReads     = 15_000.0 // a second
	goalEmulatorMemory = 300.0    // MiB resident at the end
	emulatorAccounts   = 1_000
	emulatorStreams    = 1_000
	loadConnections    = 64
	// loadOrders is ten seconds' worth at the goal: the emulator keeps every order for its audit, so that its memory depends
	// on how many there were.
	loadOrders = 80_000
	loadRounds = 5
)

// emulated is an emulator in a process of its own.
type emulated struct {
	command        *exec.Cmd
	address, admin string
	streams        []*websocket.Conn
	reading        sync.WaitGroup
}

// measureEmulator loads the emulator with 1,000 accounts and 1,000 open streams.
func measureEmulator(ctx context.Context, bin string, duration time.Duration) ([]row, error) {
	e, err := startEmulated(ctx, bin)
	if err != nil {
		return nil, err
	}
	defer e.stop()
	if err := e.openStreams(ctx); err != nil {
		return nil, fmt.Errorf("streams: %w", err)
	}
	const quoteSize, orderSize = 170, 1_000 // bytes of the emulator's answers
	reads, err := e.rounds(ctx, "quote reads", quoteSize, load{connections: loadConnections, next: quoteRequest(e.address), most: duration / loadRounds})
	if err != nil {
		return nil, err
	}
	orders, err := e.rounds(ctx, "orders", orderSize, load{
		connections: loadConnections, next: orderRequest(e.address), most: waitLimit, limit: loadOrders / loadRounds,
	})
	if err != nil {
		return nil, err
	}
	memory, err := peakMemory(e.command.Process.Pid)
	if err != nil {
		return nil, err
	}
	accepted, filled, err := e.audit(ctx)
	if err != nil {
		return nil, err
	}
	if accepted != orders.answers || filled != accepted {
		return nil, fmt.Errorf("%d orders were answered, %d accepted, %d filled", orders.answers, accepted, filled)
	}
	return []row{
		orders.row("emulator: orders", goalOrders),
		reads.row("emulator: quote reads", goalQuoteReads),
		{what: "emulator: most memory during both", figure: memory, goal: goalEmulatorMemory, unit: "MiB", spread: fmt.Sprintf(
			"%d accounts, %d streams, %d orders held", emulatorAccounts, emulatorStreams, accepted)},
	}, nil
}

// compared is a load on the emulator and, in turns with it, on a bare net/http handler.
type compared struct {
	answers                 int // of the emulator, warming up included
	rates, bare, p50s, p99s []float64
	server, client          time.Duration // processor time for answers, without warming up
	counted                 int           // those answers
}

// rounds loads the emulator and its peer by turns: what else the machine does meets both.
func (e *emulated) rounds(ctx context.Context, what string, size int, l load) (*compared, error) {
	fmt.Println(what, "...")
	peer, stop, err := startPeer(ctx, size)
	if err != nil {
		return nil, err
	}
	defer stop()
	result := &compared{}
	for round := range loadRounds + 1 {
		turn := l
		if round == 0 { // warms up
			turn.most, turn.limit = time.Second, 5_000
		}
		turn.address = e.address
		before, err := e.processorTimes()
		if err != nil {
			return nil, err
		}
		measured, err := measureLoad(ctx, what, turn)
		if err != nil {
			return nil, err
		}
		after, err := e.processorTimes()
		if err != nil {
			return nil, err
		}
		turn.address = peer
		bare, err := measureLoad(ctx, what+" to the peer", turn)
		if err != nil {
			return nil, err
		}
		result.answers += measured.answers
		if round > 0 {
			result.server += after[0] - before[0]
			result.client += after[1] - before[1]
			result.counted += measured.answers
			result.rates, result.bare = append(result.rates, measured.perSecond()), append(result.bare, bare.perSecond())
			result.p50s, result.p99s = append(result.p50s, measured.percentile(0.5)), append(result.p99s, measured.percentile(0.99))
		}
	}
	return result, nil
}

func (c *compared) row(what string, goal float64) row {
	made := newRow(what, c.rates, goal, "/s")
	made.atLeast = true
	bare := newRow("", c.bare, goal, "").figure
	server, client := perAnswer(c.server, c.counted), perAnswer(c.client, c.counted)
	made.spread += fmt.Sprintf("; %.0f µs of a core each and the client %.0f, which two idle cores could do %.0f times a second", server, client,
		cores*1e6/(server+client))
	made.spread += fmt.Sprintf("; P50 %.1f ms, P99 %.1f ms; %.2f of a bare net/http handler's %.0f /s", newRow("", c.p50s, 1, "").figure,
		newRow("", c.p99s, 1, "").figure, made.figure/bare, bare)
	return made
}

// cores is how many the goals are for.
const cores = 2

// perAnswer returns processor time in microseconds.
func perAnswer(total time.Duration, answers int) float64 {
	return float64(total.Microseconds()) / float64(max(1, answers))
}

// processorTimes returns what the emulator and this program, its client, have used of the processor: unlike the rates it does
// not depend on what else the machine does.
func (e *emulated) processorTimes() ([2]time.Duration, error) {
	server, err := processorTime(e.command.Process.Pid)
	if err != nil {
		return [2]time.Duration{}, err
	}
	client, err := processorTime(os.Getpid())
	return [2]time.Duration{server, client}, err
}

func measureLoad(ctx context.Context, what string, l load) (outcome, error) {
	result, err := l.run(ctx)
	if err == nil && result.statuses[http.StatusOK] != result.answers {
		err = fmt.Errorf("statuses %v, for example %s", result.statuses, result.example)
	}
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w", what, err)
	}
	return result, nil
}

func startEmulated(ctx context.Context, bin string) (*emulated, error) {
	ports := make([]int, 2)
	for i := range ports {
		port, err := freePort(ctx)
		if err != nil {
			return nil, err
		}
		ports[i] = port
	}
	e := &emulated{
		address: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])), admin: net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[1])),
	}
	e.command = exec.CommandContext(ctx, filepath.Join(bin, "emulator"), "-addr", e.address, "-admin-addr", e.admin,
		"-accounts", strconv.Itoa(emulatorAccounts), "-trading-limit", "-1", "-data-limit", "-1")
	e.command.Stderr = new(bytes.Buffer)
	if err := e.command.Start(); err != nil {
		return nil, fmt.Errorf("%w (run make build)", err)
	}
	if _, err := dialWhenListening(ctx, e.address); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

func (e *emulated) stop() {
	for _, stream := range e.streams {
		_ = stream.CloseNow()
	}
	e.reading.Wait()
	_ = e.command.Process.Signal(syscall.SIGTERM)
	_ = e.command.Wait() // its status is of no interest: what was measured is measured
}

func keyOf(account int) string    { return fmt.Sprintf("PKEMULATOR%010d", account+1) }
func secretOf(account int) string { return fmt.Sprintf("emulator-secret-%010d", account+1) }

// loadSymbols are what is quoted and bought.
func loadSymbols() []string {
	return []string{"AAPL", "MSFT", "NVDA", "AMZN", "META", "TSLA", "JPM", "V", "WMT", "XOM", "KO", "PEP", "CSCO", "INTC", "PFE", "BAC"}
}

// openStreams opens a market data stream for every account, each with the trades of one stock.
func (e *emulated) openStreams(ctx context.Context) error {
	symbols := loadSymbols()
	for i := range emulatorStreams {
		header := http.Header{"Apca-Api-Key-Id": {keyOf(i)}, "Apca-Api-Secret-Key": {secretOf(i)}}
		conn, _, err := websocket.Dial(ctx, "ws://"+e.address+"/v2/sip", &websocket.DialOptions{HTTPHeader: header})
		if err != nil {
			return err
		}
		e.streams = append(e.streams, conn)
		subscribe := `{"action":"subscribe","trades":["` + symbols[i%len(symbols)] + `"]}`
		if err := conn.Write(ctx, websocket.MessageText, []byte(subscribe)); err != nil {
			return err
		}
		e.reading.Go(func() {
			for {
				if _, message, err := conn.Reader(ctx); err != nil {
					return
				} else if _, err := io.Copy(io.Discard, message); err != nil {
					return
				}
			}
		})
	}
	return nil
}

// quoteRequest asks for the latest quotes of one stock after the other, with one account's key after the other.
func quoteRequest(address string) func(dst []byte, connection, number int) []byte {
	symbols := loadSymbols()
	requests := make([][]byte, emulatorAccounts)
	for i := range requests {
		requests[i] = []byte("GET /v2/stocks/" + symbols[i%len(symbols)] + "/quotes/latest HTTP/1.1\r\nHost: " + address +
			"\r\nApca-Api-Key-Id: " + keyOf(i) + "\r\nApca-Api-Secret-Key: " + secretOf(i) + "\r\n\r\n")
	}
	return func(dst []byte, connection, number int) []byte {
		return append(dst, requests[(connection+number*loadConnections)%len(requests)]...)
	}
}

// orderRequest buys a share at the market, for one account after the other, each order with an ID of its own.
func orderRequest(address string) func(dst []byte, connection, number int) []byte {
	symbols := loadSymbols()
	heads := make([][]byte, emulatorAccounts)
	for i := range heads {
		heads[i] = []byte("POST /v2/orders HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/json\r\nApca-Api-Key-Id: " +
			keyOf(i) + "\r\nApca-Api-Secret-Key: " + secretOf(i) + "\r\nContent-Length: ")
	}
	var runs atomic.Int64
	return func(dst []byte, connection, number int) []byte {
		if number == 0 {
			runs.Add(1) // a second run must not repeat the IDs of the first
		}
		account := (connection + number*loadConnections) % len(heads)
		body := fmt.Appendf(nil, `{"symbol":"%s","qty":"1","side":"buy","type":"market","time_in_force":"day","client_order_id":"bench-%d-%d-%d"}`,
			symbols[(account+number)%len(symbols)], runs.Load(), connection, number)
		dst = append(dst, heads[account]...)
		dst = strconv.AppendInt(dst, int64(len(body)), 10)
		return append(append(dst, "\r\n\r\n"...), body...)
	}
}

// audit waits until the emulator has filled all orders, and returns how many it accepted and filled.
func (e *emulated) audit(ctx context.Context) (accepted, filled int, err error) {
	for limit := time.Now().Add(waitLimit); ; time.Sleep(100 * time.Millisecond) {
		accepted, filled = 0, 0
		for i := range emulatorAccounts {
			var orders []struct {
				Status string `json:"status"`
			}
			if err := getJSON(ctx, "http://"+e.admin+"/emulator/audit?key_id="+keyOf(i), &orders); err != nil {
				return 0, 0, err
			}
			accepted += len(orders)
			for _, order := range orders {
				if order.Status == "filled" {
					filled++
				}
			}
		}
		if filled == accepted || time.Now().After(limit) {
			return accepted, filled, nil
		}
	}
}

func getJSON(ctx context.Context, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", url, response.StatusCode)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
