package stream

import (
	"encoding/json"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
)

// command is a message to the trading WebSocket. Authentication has an old form, with the credentials in data, and a new one.
type command struct {
	Action string `json:"action" msgpack:"action"`
	Key    string `json:"key" msgpack:"key"`
	Secret string `json:"secret" msgpack:"secret"`
	Data   struct {
		KeyID      string   `json:"key_id" msgpack:"key_id"`
		SecretKey  string   `json:"secret_key" msgpack:"secret_key"`
		OAuthToken string   `json:"oauth_token" msgpack:"oauth_token"`
		Streams    []string `json:"streams" msgpack:"streams"`
	} `json:"data" msgpack:"data"`
}

// decodeCommand reads a message; an error when it is no map of the right types.
func decodeCommand(codec socket.Codec, message []byte) (command, error) {
	unmarshal := json.Unmarshal
	if codec == socket.MessagePack {
		unmarshal = msgpack.Unmarshal
	}
	var wanted command
	if err := unmarshal(message, &wanted); err != nil {
		return command{}, fmt.Errorf("decode command: %w", err)
	}
	return wanted, nil
}

// credentials returns a key pair or an OAuth token.
func (c *command) credentials() (keyID, secretKey, token string) {
	switch {
	case c.Data.OAuthToken != "":
		return "", "", c.Data.OAuthToken
	case c.Data.KeyID != "":
		return c.Data.KeyID, c.Data.SecretKey, ""
	case c.Key == "oauth":
		return "", "", c.Secret
	default:
		return c.Key, c.Secret, ""
	}
}
