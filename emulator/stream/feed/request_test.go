package feed

import (
	"errors"
	"slices"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
)

// The decoder is not exported: what it decodes is no use to others.

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	packed, err := msgpack.Marshal(map[string]any{
		"action": "subscribe", "trades": []string{"AAPL"}, "quotes": nil, "bars": []string(nil), "color": "red",
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, message := range map[string]struct {
		codec socket.Codec
		body  []byte
	}{
		"JSON":        {socket.JSON, []byte(`{"action":"subscribe","trades":["AAPL"],"quotes":null,"color":"red"}`)},
		"MessagePack": {socket.MessagePack, packed},
	} {
		wanted, err := decodeRequest(message.codec, message.body)
		if err != nil || wanted.action != "subscribe" || !slices.Equal(wanted.symbols[trades], []string{"AAPL"}) || len(wanted.symbols[quotes]) > 0 {
			t.Errorf("%s: %+v, %v", name, wanted, err)
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(false, []byte(`{"action":"auth","key":"K","secret":"S"}`))
	f.Add(false, []byte(`{"action":"subscribe","trades":["A"],"quotes":null}`))
	f.Add(false, []byte(`{"action":1}`))
	f.Add(true, []byte{0x81, 0xa6, 'a', 'c', 't', 'i', 'o', 'n', 0xa4, 'a', 'u', 't', 'h'})
	f.Add(true, []byte{0x82, 0xa6, 'a', 'c', 't', 'i', 'o', 'n', 0xa1, 'x', 0xa6, 't', 'r', 'a', 'd', 'e', 's', 0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, packed bool, message []byte) {
		codec := socket.JSON
		if packed {
			codec = socket.MessagePack
		}
		wanted, err := decodeRequest(codec, message)
		if err != nil && !errors.Is(err, ErrSyntax) {
			t.Errorf("an error of another kind: %v", err)
		}
		if err == nil && wanted.action == "" {
			t.Error("a request without an action")
		}
	})
}
