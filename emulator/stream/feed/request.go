package feed

import (
	"encoding/json"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
)

// request is a message of a client.
type request struct {
	action      string
	key, secret string
	symbols     [channelCount][]string
}

// decodeRequest reads a message. Keys that nobody knows are skipped; arrays may be null, as Alpaca's Go SDK sends those
// that it has no use for. ErrSyntax when the message isn't a map with an action and of the right types.
func decodeRequest(codec socket.Codec, message []byte) (request, error) {
	var wanted request
	read, err := openRequest(codec, message)
	if err != nil {
		return wanted, err
	}
	for name, target := range map[string]*string{"action": &wanted.action, "key": &wanted.key, "secret": &wanted.secret} {
		if err := read(name, target); err != nil {
			return wanted, fmt.Errorf("%w: %s: %w", ErrSyntax, name, err)
		}
	}
	for c := range channelCount {
		if err := read(c.String(), &wanted.symbols[c]); err != nil {
			return wanted, fmt.Errorf("%w: %s: %w", ErrSyntax, c, err)
		}
	}
	if wanted.action == "" {
		return wanted, fmt.Errorf("%w: no action", ErrSyntax)
	}
	return wanted, nil
}

// openRequest returns a function that decodes the value of a key, if there is one.
func openRequest(codec socket.Codec, message []byte) (func(name string, target any) error, error) {
	if codec == socket.MessagePack {
		fields := map[string]msgpack.RawMessage{}
		if err := msgpack.Unmarshal(message, &fields); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
		}
		return reader(fields, msgpack.Unmarshal), nil
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(message, &fields); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	return reader(fields, json.Unmarshal), nil
}

func reader[R ~[]byte](fields map[string]R, unmarshal func([]byte, any) error) func(string, any) error {
	return func(name string, target any) error {
		raw, ok := fields[name]
		if !ok || len(raw) == 0 { // the MessagePack library leaves nothing of a null
			return nil
		}
		return unmarshal(raw, target)
	}
}
