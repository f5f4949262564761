package serve

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"go.uber.org/zap"
	"knative.dev/pkg/logging/logkey"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

// RequestIDHeader carries a request's ID in and out.
const RequestIDHeader = "X-Request-ID"

// exchange is one request with its answer: what the access log and the metrics need to know of it.
type exchange struct {
	http.ResponseWriter
	id        string
	start     time.Time
	endpoint  string
	accountID string
	status    int
	bytes     int64
	cause     error
	stream    bool // the answer lasts as long as the client likes
	// series are the metrics of the operation; nil where none was found.
	series *telemetry.Series
	// limit is what the narrowest rate limit said, written with the answer; limited says that there is one.
	limit   Decision
	limited bool
	// values are what the answer's headers point to, so that a header costs no allocation of its own.
	values [5]string
	used   int
}

func newExchange(w http.ResponseWriter, r *http.Request, now time.Time) *exchange {
	e := &exchange{ResponseWriter: w, id: requestID(r), start: now, endpoint: "unknown"}
	e.setHeader(w.Header(), canonicalRequestID, e.id)
	return e
}

// canonicalRequestID is RequestIDHeader as net/http keeps it.
const canonicalRequestID = "X-Request-Id"

// setHeader sets a header whose name is canonical already.
func (e *exchange) setHeader(header http.Header, name, value string) {
	if e.used == len(e.values) {
		header[name] = []string{value}
		return
	}
	e.values[e.used] = value
	header[name] = e.values[e.used : e.used+1 : e.used+1]
	e.used++
}

// exchangeOf returns the exchange behind w. Handlers get their writer from Router.ServeHTTP, so it is always one.
func exchangeOf(w http.ResponseWriter) *exchange { return w.(*exchange) }

// WriteHeader notes the status.
func (e *exchange) WriteHeader(status int) {
	if e.status == 0 || e.status < http.StatusOK {
		e.status = status
	}
	e.ResponseWriter.WriteHeader(status)
}

// Write notes the size.
func (e *exchange) Write(p []byte) (int, error) {
	if e.status == 0 {
		e.status = http.StatusOK
	}
	n, err := e.ResponseWriter.Write(p)
	e.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection (flush, hijack, deadlines).
func (e *exchange) Unwrap() http.ResponseWriter { return e.ResponseWriter }

// requestID takes the caller's ID over when it is harmless to log, and makes one otherwise.
func requestID(r *http.Request) string {
	if given := r.Header[canonicalRequestID]; len(given) > 0 && validRequestID(given[0]) {
		return given[0]
	}
	var random [16]byte
	binary.LittleEndian.PutUint64(random[:8], rand.Uint64()) // it identifies and protects nothing
	binary.LittleEndian.PutUint64(random[8:], rand.Uint64())
	var text [32]byte
	return string(hex.AppendEncode(text[:0], random[:]))
}

func validRequestID(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// finish turns a panic into a 500, and writes the metrics and the access log line.
func (rt *Router) finish(e *exchange, r *http.Request) {
	if recovered := recover(); recovered != nil {
		if err, ok := recovered.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(recovered) //nolint:forbidigo // net/http's own way to drop a connection without an answer
		}
		rt.config.Logger.Error("panic", zap.Any("panic", recovered), zap.String(logkey.TraceID, e.id), zap.ByteString("stack", debug.Stack()))
		if e.status == 0 {
			rt.fail(e, r, problem.Internal.New("internal error").Because(fmt.Errorf("panic: %v", recovered)))
		}
	}
	if e.status == 0 {
		e.status = http.StatusOK
	}
	took := rt.config.Clock.Now().Sub(e.start)
	switch {
	case e.stream:
		rt.config.Metrics.Count(metricMethod(r.Method), e.endpoint, strconv.Itoa(e.status))
	case e.series != nil:
		e.series.Observe(e.status, took)
	default:
		rt.config.Metrics.Observe(metricMethod(r.Method), e.endpoint, strconv.Itoa(e.status), took)
	}
	rt.logAccess(e, r, took)
}

// logAccess writes failures at warn or error and the rest at debug: 10,000 lines a second of success help nobody.
func (rt *Router) logAccess(e *exchange, r *http.Request, took time.Duration) {
	level := zap.DebugLevel
	if e.status >= 500 {
		level = zap.ErrorLevel
	} else if e.status >= 400 {
		level = zap.InfoLevel
	}
	entry := rt.config.Logger.Check(level, "request")
	if entry == nil {
		return
	}
	entry.Write(
		zap.String(logkey.TraceID, e.id), zap.String("method", r.Method), zap.String("endpoint", e.endpoint),
		zap.Int("status", e.status), zap.Int64("bytes", e.bytes), zap.Int64("microseconds", took.Microseconds()),
		zap.String("account_id", e.accountID), zap.NamedError("cause", e.cause),
	)
}

// metricMethod keeps invented methods out of the label.
func metricMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}
