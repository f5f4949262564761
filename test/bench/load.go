package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load is a lean HTTP/1.1 client for benchmarks: some keep-alive connections, each with one request under way. Requests are
// bytes that were written beforehand and answers are only counted, so that the client takes as little as possible of the
// cores that it shares with the server.
type load struct {
	address     string
	connections int
	most        time.Duration
	limit       int64 // requests in all; 0: as many as the time allows
	// next appends the request with a number of a connection to dst.
	next func(dst []byte, connection, number int) []byte
}

// outcome is what a load came to.
type outcome struct {
	answers   int
	statuses  map[int]int
	latencies []time.Duration // one of every sampleEvery
	elapsed   time.Duration
	example   string // of a body that was not 200
}

func (o *outcome) perSecond() float64 { return float64(o.answers) / o.elapsed.Seconds() }

// percentile returns the latency below which a part of the answers came, in milliseconds.
func (o *outcome) percentile(part float64) float64 {
	if len(o.latencies) == 0 {
		return 0
	}
	slices.Sort(o.latencies)
	return float64(o.latencies[int(part*float64(len(o.latencies)-1))].Microseconds()) / 1000
}

const sampleEvery = 16

// run sends requests until the time is over or there were enough.
func (l load) run(ctx context.Context) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, l.most)
	defer cancel()
	total := outcome{statuses: make(map[int]int)}
	var mu sync.Mutex
	var problems error
	var sent atomic.Int64
	var workers sync.WaitGroup
	begin := time.Now()
	for i := range l.connections {
		workers.Go(func() {
			own := outcome{statuses: make(map[int]int)}
			err := l.converse(ctx, i, &sent, &own)
			mu.Lock()
			defer mu.Unlock()
			total.answers += own.answers
			for status, count := range own.statuses {
				total.statuses[status] += count
			}
			total.latencies = append(total.latencies, own.latencies...)
			if own.example != "" {
				total.example = own.example
			}
			problems = errors.Join(problems, err)
		})
	}
	workers.Wait()
	total.elapsed = time.Since(begin)
	return total, problems
}

// converse sends one request after the other on one connection until ctx ends or enough were sent.
func (l load) converse(ctx context.Context, connection int, sent *atomic.Int64, into *outcome) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.address)
	if err != nil {
		return err
	}
	defer conn.Close()
	reader := bufio.NewReaderSize(conn, 8<<10)
	var request []byte
	for number := 0; ctx.Err() == nil && (l.limit == 0 || sent.Add(1) <= l.limit); number++ {
		request = l.next(request[:0], connection, number)
		var begin time.Time
		if number%sampleEvery == 0 {
			begin = time.Now()
		}
		if _, err := conn.Write(request); err != nil {
			return err
		}
		status, body, err := readAnswer(reader)
		if err != nil {
			return err
		}
		if !begin.IsZero() {
			into.latencies = append(into.latencies, time.Since(begin))
		}
		into.answers++
		into.statuses[status]++
		if status != 200 && into.example == "" {
			into.example = string(body)
		}
	}
	return nil
}

// readAnswer reads one answer that has a Content-Length. The body is valid until the next call.
func readAnswer(reader *bufio.Reader) (status int, body []byte, err error) {
	length := -1
	for first := true; ; first = false {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first {
			if len(line) < len("HTTP/1.1 200") {
				return 0, nil, fmt.Errorf("status line %q", line)
			}
			if status, err = strconv.Atoi(string(line[9:12])); err != nil {
				return 0, nil, err
			}
			continue
		}
		if len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(": ")); len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, nil, err
			}
		}
	}
	if length < 0 {
		return 0, nil, errors.New("an answer without Content-Length")
	}
	if length <= reader.Size() {
		body, err = reader.Peek(length)
		if err != nil {
			return 0, nil, err
		}
		_, err = reader.Discard(length)
		return status, body, err
	}
	_, err = io.CopyN(io.Discard, reader, int64(length))
	return status, nil, err
}
