package access

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Readings choose between reports of Alpaca's behavior that contradict each other. The zero value is what is documented best.
type Readings struct {
	// HTMLUnauthorized answers trading requests without any credentials with the HTML page that was seen in September 2026
	// instead of JSON.
	HTMLUnauthorized bool
	// DataForbidden refuses wrong credentials for market data with 403, as the market data FAQ says, instead of 401.
	DataForbidden bool
	// CodedRateLimit adds the code 42910000 to the body of a 429.
	CodedRateLimit bool
	// RetryAfter adds that header to a 429.
	RetryAfter bool
	// BareRateLimit leaves the X-RateLimit headers out of a 429.
	BareRateLimit bool
	// RollingWindow counts the requests of the last sixty seconds instead of those of the clock's minute.
	RollingWindow bool
	// PlanCode40010001 is the code of a refusal for a small plan in Alpaca's article, instead of the FAQ's 42210000.
	PlanCode40010001 bool
}

// ErrReading is returned for a reading that does not exist.
var ErrReading = errors.New("unknown reading")

// ParseReadings reads names with commas between them: html-unauthorized, data-forbidden, coded-rate-limit, retry-after,
// bare-rate-limit, rolling-window, plan-code-40010001. ErrReading.
func ParseReadings(names string) (Readings, error) {
	var r Readings
	known := map[string]*bool{
		"html-unauthorized": &r.HTMLUnauthorized, "data-forbidden": &r.DataForbidden, "coded-rate-limit": &r.CodedRateLimit,
		"retry-after": &r.RetryAfter, "bare-rate-limit": &r.BareRateLimit, "rolling-window": &r.RollingWindow,
		"plan-code-40010001": &r.PlanCode40010001,
	}
	for name := range strings.SplitSeq(names, ",") {
		if name == "" {
			continue
		}
		chosen, ok := known[name]
		if !ok {
			return Readings{}, fmt.Errorf("%w: %q", ErrReading, name)
		}
		*chosen = true
	}
	return r, nil
}

// unauthorizedPage is what the proxy in front of Alpaca answers.
const unauthorizedPage = "<html>\r\n<head><title>401 Authorization Required</title></head>\r\n<body>\r\n" +
	"<center><h1>401 Authorization Required</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

// refuseCredentials answers a request whose credentials are wrong or missing.
func (r *Readings) refuseCredentials(w http.ResponseWriter, data, missing bool) {
	if data && r.DataForbidden {
		wire.WriteError(w, wire.Plain(http.StatusForbidden, "forbidden."))
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer, Basic realm="alpaca.markets"`)
	if !data && missing && r.HTMLUnauthorized {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(unauthorizedPage)) // a client that is gone is not an error of ours
		return
	}
	wire.WriteError(w, wire.Plain(http.StatusUnauthorized, "unauthorized."))
}

// refuseRate answers a request beyond the limit.
func (r *Readings) refuseRate(w http.ResponseWriter, now time.Time) {
	header := w.Header()
	if reset, err := strconv.ParseInt(header.Get("X-Ratelimit-Reset"), 10, 64); err == nil && r.RetryAfter {
		header.Set("Retry-After", strconv.FormatInt(max(1, reset-now.Unix()), 10))
	}
	if r.BareRateLimit {
		for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset"} {
			header.Del(name)
		}
	}
	if r.CodedRateLimit {
		const code = 42910000
		wire.WriteError(w, &wire.Error{Status: http.StatusTooManyRequests, Code: code, Message: "rate limit exceeded"})
		return
	}
	wire.WriteError(w, wire.Plain(http.StatusTooManyRequests, "too many requests."))
}

// PlanCode is the code of a refusal because of the plan.
func (r *Readings) PlanCode() int {
	if r.PlanCode40010001 {
		return wire.CodeShape
	}
	return wire.CodeUnprocessable
}
