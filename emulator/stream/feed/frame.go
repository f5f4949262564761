package feed

import (
	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// maxFrame is about how long a frame of data grows, in bytes; the Python SDK refuses more than 1 MiB.
const maxFrame = 64 << 10

// nextFrame appends the array of the first messages to dst and returns how many it took: one control message, or as much
// data as fits.
func nextFrame(dst []byte, codec socket.Codec, letters []letter) (frame []byte, taken int) {
	size := 0
	for taken < len(letters) && (taken == 0 || size < maxFrame && !letters[0].control && !letters[taken].control) {
		size += len(letters[taken].body)
		taken++
	}
	if codec == socket.MessagePack {
		dst = wire.AppendArrayLength(dst, taken)
		for _, l := range letters[:taken] {
			dst = append(dst, l.body...)
		}
		return dst, taken
	}
	separator := byte('[')
	for _, l := range letters[:taken] {
		dst = append(dst, separator)
		dst = append(dst, l.body...)
		separator = ','
	}
	return append(dst, ']'), taken
}
