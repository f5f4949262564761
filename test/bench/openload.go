package main

import (
	"bufio"
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

// openLoad sends requests at a constant rate, whether or not answers come: each request has its time beforehand, and its
// latency counts from that time, so that a server that stalls can't hide the requests that waited meanwhile.
type openLoad struct {
	address     string
	connections int
	rate        int // requests a second, of all connections together
	span        time.Duration
	next        func(dst []byte, connection, number int) []byte
}

// openOutcome is what an openLoad came to.
type openOutcome struct {
	offered, answers, errors int
	late                     int // answers to requests that went out more than a millisecond after their time
	statuses                 map[int]int
	latencies                []time.Duration
	elapsed                  time.Duration
}

// percentile is the latency below which a part of the answers came, in milliseconds.
func (o *openOutcome) percentile(part float64) float64 {
	if len(o.latencies) == 0 {
		return 0
	}
	return float64(o.latencies[int(part*float64(len(o.latencies)-1))].Microseconds()) / 1000
}

// run opens all connections and then sends for the span.
func (l openLoad) run(ctx context.Context) (openOutcome, error) {
	connections := make([]net.Conn, l.connections)
	defer func() {
		for _, conn := range connections {
			if conn != nil {
				_ = conn.Close()
			}
		}
	}()
	for i := range connections {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", l.address)
		if err != nil {
			return openOutcome{}, err
		}
		connections[i] = conn
	}
	// Each connection sends once in this time, the connections one after the other.
	period := time.Duration(l.connections) * time.Second / time.Duration(l.rate)
	begin := time.Now().Add(100 * time.Millisecond)
	total := openOutcome{statuses: make(map[int]int)}
	var mu sync.Mutex
	var problems error
	var workers sync.WaitGroup
	for i, conn := range connections {
		workers.Go(func() {
			first := begin.Add(period * time.Duration(i) / time.Duration(l.connections))
			own, err := l.converse(ctx, conn, i, first, period, begin.Add(l.span))
			mu.Lock()
			defer mu.Unlock()
			total.offered, total.answers, total.errors, total.late = total.offered+own.offered, total.answers+own.answers, total.errors+own.errors, total.late+own.late
			for status, count := range own.statuses {
				total.statuses[status] += count
			}
			total.latencies = append(total.latencies, own.latencies...)
			problems = errors.Join(problems, err)
		})
	}
	workers.Wait()
	total.elapsed = time.Since(begin)
	slices.Sort(total.latencies)
	return total, problems
}

// converse sends on one connection, the next request not before its time and not before the answer to the one before.
func (l openLoad) converse(ctx context.Context, conn net.Conn, connection int, at time.Time, period time.Duration, end time.Time) (openOutcome, error) {
	own := openOutcome{statuses: make(map[int]int)}
	reader := bufio.NewReaderSize(conn, 2<<10)
	var request []byte
	timer := time.NewTimer(0)
	defer timer.Stop()
	for number := 0; at.Before(end) && ctx.Err() == nil; number, at = number+1, at.Add(period) {
		if wait := time.Until(at); wait > 0 {
			timer.Reset(wait)
			<-timer.C
		}
		if time.Since(at) > time.Millisecond {
			own.late++
		}
		own.offered++
		request = l.next(request[:0], connection, number)
		if _, err := conn.Write(request); err != nil {
			own.errors++
			return own, err
		}
		status, _, err := readAnswer(reader)
		if err != nil {
			own.errors++
			return own, err
		}
		own.answers++
		own.statuses[status]++
		if status != 200 {
			own.errors++
		}
		own.latencies = append(own.latencies, time.Since(at))
	}
	return own, nil
}
