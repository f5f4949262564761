package feed

import (
	"strconv"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Refusal is an error message of the protocol. The codes and texts are those of Alpaca's page "WebSocket Stream"; 408 and
// 411 those of its Go SDK.
type Refusal struct { //nolint:errname // it is what the server says, not how it fails
	Code int
	Text string
}

// Error returns the text with its code.
func (r Refusal) Error() string { return r.Text + " (" + strconv.Itoa(r.Code) + ")" }

// The refusals.
var (
	ErrSyntax           = Refusal{400, "invalid syntax"}
	ErrNotAuthenticated = Refusal{401, "not authenticated"}
	ErrAuthFailed       = Refusal{402, "auth failed"}
	ErrAuthenticated    = Refusal{403, "already authenticated"}
	ErrAuthTimeout      = Refusal{404, "auth timeout"}
	ErrSymbolLimit      = Refusal{405, "symbol limit exceeded"}
	ErrConnectionLimit  = Refusal{406, "connection limit exceeded"}
	ErrSlowClient       = Refusal{407, "slow client"}
	ErrVersion          = Refusal{408, "v2 not enabled"}
	ErrSubscription     = Refusal{409, "insufficient subscription"}
	ErrAction           = Refusal{410, "invalid subscribe action for this feed"}
	ErrScope            = Refusal{411, "insufficient scope"}
	ErrMessagePackOnly  = Refusal{412, "option messages are only available in MsgPack format"}
	ErrStar             = Refusal{413, "star subscription is not allowed for option quotes"}
	ErrInternal         = Refusal{500, "internal error"}
)

// refusals are all of them, to be found by code.
var refusals = [...]Refusal{ //nolint:gochecknoglobals // a table that nothing changes
	ErrSyntax, ErrNotAuthenticated, ErrAuthFailed, ErrAuthenticated, ErrAuthTimeout, ErrSymbolLimit, ErrConnectionLimit,
	ErrSlowClient, ErrVersion, ErrSubscription, ErrAction, ErrScope, ErrMessagePackOnly, ErrStar, ErrInternal,
}

func refusalOf(code int) (Refusal, bool) {
	for _, known := range refusals {
		if known.Code == code {
			return known, true
		}
	}
	return Refusal{}, false
}

func (r Refusal) message(codec socket.Codec) []byte {
	var o wire.Object
	return encode(o.String("T", "error").Int("code", int64(r.Code)).String("msg", r.Text), codec)
}

// success is the message that greets ("connected") or admits ("authenticated") a client.
func success(codec socket.Codec, text string) []byte {
	var o wire.Object
	return encode(o.String("T", "success").String("msg", text), codec)
}

func encode(o *wire.Object, codec socket.Codec) []byte {
	if codec == socket.MessagePack {
		return o.AppendMessagePack(nil)
	}
	return o.AppendJSON(nil)
}
