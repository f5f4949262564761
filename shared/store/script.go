package store

import (
	_ "embed"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/clock.lua
var clockLua string

//go:embed lua/gcra.lua
var gcraLua string

//go:embed lua/window.lua
var windowLua string

//go:embed lua/killed.lua
var killedLua string

//go:embed lua/holds.lua
var holdsLua string

//go:embed lua/outbox.lua
var outboxLua string

// NewScript returns a script with the shared functions that body calls in front of it: now_us (the clock), gcra and those
// of the window (rate limits), killed (kill switches), those of the holds (risk) and append_event (outbox). What it does not call is left out, because
// miniredis compiles a script at every call. It is sent by hash, and in full only to a server that does not have it. Safe
// for concurrent use.
func NewScript(body string) *redis.Script {
	var script strings.Builder
	script.WriteString(clockLua) // the others use it too
	script.WriteByte('\n')
	for _, shared := range []struct{ call, lua string }{
		{"gcra(", gcraLua}, {"window_", windowLua}, {"killed(", killedLua}, {"holds_", holdsLua},
		{"append_event(", outboxLua},
	} {
		if strings.Contains(body, shared.call) {
			script.WriteString(shared.lua)
			script.WriteByte('\n')
		}
	}
	script.WriteString(body)
	return redis.NewScript(script.String())
}
