package quote

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// longestPrepared is up to how many seconds of freshness the Cache-Control headers are made beforehand.
const longestPrepared = 60

// caching writes the headers by which clients and CDNs keep an answer. A stale answer has none: it is not to be kept.
type caching struct {
	clock  interface{ Now() time.Time }
	suffix string // of what shared caches may keep
	// prepared are shared by all answers and never change, so that an answer from memory allocates none.
	private, public [longestPrepared + 1][]string
}

// newCaching prepares the headers. Shared caches get the same grace as readers here.
func newCaching(cfg Config, clock interface{ Now() time.Time }) *caching {
	revalidate := int((cfg.RevalidateFor + time.Second - 1) / time.Second)
	c := &caching{clock: clock, suffix: ", stale-while-revalidate=" + strconv.Itoa(revalidate) + ", stale-if-error=" + strconv.Itoa(int(cfg.StaleFor/time.Second))}
	for seconds := range longestPrepared + 1 {
		c.private[seconds], c.public[seconds] = c.control(false, seconds), c.control(true, seconds)
	}
	return c
}

func (c *caching) control(public bool, seconds int) []string {
	if public {
		return []string{"public, max-age=" + strconv.Itoa(seconds) + c.suffix}
	}
	return []string{"private, max-age=" + strconv.Itoa(seconds)}
}

// set writes the headers of a fresh answer. It returns serve.ErrNotModified when the caller has it already.
func (c *caching) set(r *http.Request, header http.Header, answer cache.Answer, public bool, etag []string) error {
	if answer.Stale {
		return nil
	}
	seconds := int(answer.Fresh / time.Second)
	switch {
	case seconds > longestPrepared:
		header["Cache-Control"] = c.control(public, seconds)
	case public:
		header["Cache-Control"] = c.public[seconds]
	default:
		header["Cache-Control"] = c.private[seconds]
	}
	if age := c.clock.Now().Sub(answer.AsOf); age >= time.Second {
		header["Age"] = []string{strconv.Itoa(int(age / time.Second))}
	}
	if etag == nil {
		return nil
	}
	header["Etag"] = etag
	for _, known := range r.Header["If-None-Match"] {
		if matches(known, etag[0]) {
			return serve.ErrNotModified
		}
	}
	return nil
}

// matches compares as RFC 9110 says for If-None-Match: weakly.
func matches(list, etag string) bool {
	for known := range strings.SplitSeq(list, ",") {
		known = strings.TrimSpace(known)
		if known == "*" || strings.TrimPrefix(known, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}
