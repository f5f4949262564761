package socket

import (
	"mime"
	"net/http"
)

// Codec is how messages are written on a connection.
type Codec uint8

// The codecs. A client chooses MessagePack with the Content-Type header of its handshake.
const (
	JSON Codec = iota
	MessagePack
	Codecs = int(MessagePack) + 1 // how many there are
)

// CodecOf returns the codec that a handshake asks for.
func CodecOf(r *http.Request) Codec {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && media == "application/msgpack" {
		return MessagePack
	}
	return JSON
}

// IsText reports whether messages are text.
func (c Codec) IsText() bool { return c == JSON }
