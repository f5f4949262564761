package serve

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// errorBody is the "error" member of a failed answer.
type errorBody struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Details map[string]any `json:"details,omitempty"`
}

// succeed writes {"success":true,"timestamp":...,"request_id":...,"data":...}.
func (rt *Router) succeed(w http.ResponseWriter, r *http.Request, status int, data any) {
	if other, ok := data.(Answered); ok {
		status, data = other.Status, other.Data
	}
	raw, ok := data.(Raw)
	if !ok {
		var err error
		if raw, err = json.Marshal(data); err != nil {
			rt.fail(w, r, problem.Internal.New("internal error").Because(err))
			return
		}
	}
	if len(raw) == 0 {
		raw = Raw("null")
	}
	e := exchangeOf(w)
	buffer := rt.answers.take()
	body := rt.appendHead(buffer.content[:0], e, true)
	body = append(body, `,"data":`...)
	body = append(body, raw...)
	body = append(body, '}', '\n')
	rt.writeJSON(e, status, body)
	rt.answers.giveBack(buffer, body)
}

// refuse answers a handler's error.
func (rt *Router) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrNotModified) {
		rt.writeRateLimit(exchangeOf(w))
		w.WriteHeader(http.StatusNotModified)
		return
	}
	rt.fail(w, r, err)
}

// fail writes {"success":false,...,"error":{...}} and keeps the cause for the access log.
func (rt *Router) fail(w http.ResponseWriter, _ *http.Request, err error) {
	e := exchangeOf(w)
	p := problem.From(err)
	e.cause = err
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", retryAfterSeconds(p.RetryAfter))
	}
	if p.Kind == problem.InvalidToken {
		w.Header().Set("WWW-Authenticate", `Bearer realm="opitios-alpaca"`)
	}
	raw, marshalErr := json.Marshal(errorBody{p.Kind.Code(), p.Message, p.Details})
	if marshalErr != nil { // a detail that is no JSON: the code and message still are
		raw, _ = json.Marshal(errorBody{Code: p.Kind.Code(), Message: p.Message})
	}
	body := rt.appendHead(make([]byte, 0, len(raw)+128), e, false)
	body = append(body, `,"error":`...)
	body = append(body, raw...)
	rt.writeJSON(e, p.Kind.Status(), append(body, '}', '\n'))
}

func (rt *Router) appendHead(body []byte, e *exchange, success bool) []byte {
	body = append(body, `{"success":`...)
	body = strconv.AppendBool(body, success)
	body = append(body, `,"timestamp":"`...)
	body = rt.config.Clock.Now().UTC().AppendFormat(body, time.RFC3339Nano)
	body = append(body, `","request_id":"`...)
	body = append(body, e.id...) // letters, digits, '-' and '_' only: needs no escaping
	return append(body, '"')
}

// writeJSON writes the answer. net/http tells the length of one this short by itself.
func (rt *Router) writeJSON(e *exchange, status int, body []byte) {
	const short = 1500
	rt.writeRateLimit(e)
	header := e.Header()
	header["Content-Type"] = rt.answers.json
	header["X-Content-Type-Options"] = rt.answers.nosniff
	if len(body) > short {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	if _, set := header["Cache-Control"]; !set {
		header["Cache-Control"] = rt.answers.noStore
	}
	e.WriteHeader(status)
	_, _ = e.Write(body) // the client is gone if this fails, and the access log has the size
}
