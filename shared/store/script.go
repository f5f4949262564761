package store

import (
	_ "embed"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/gcra.lua
var gcraLua string

//go:embed lua/window.lua
var windowLua string

//go:embed lua/killed.lua
var killedLua string

//go:embed lua/outbox.lua
var outboxLua string

// NewScript returns a script with the shared functions gcra and window_take (rate limits), killed (kill switches) and append_event (outbox) in
// front of body. It is sent by hash, and in full only to a server that does not have it. Safe for concurrent use.
func NewScript(body string) *redis.Script {
	return redis.NewScript(strings.Join([]string{gcraLua, windowLua, killedLua, outboxLua, body}, "\n"))
}
