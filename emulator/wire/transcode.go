package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/vmihailenco/msgpack/v5"
)

// ErrDocument is returned for text that is not one JSON document.
var ErrDocument = errors.New("not one JSON document")

// MessagePack appends a JSON document as MessagePack. Keys keep their order; integers become integers, other numbers 64-bit
// floats, and texts stay texts, times among them. ErrDocument when document is not one JSON value.
func MessagePack(dst, document []byte) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	out, err := transcode(dst, decoder)
	if err != nil {
		return dst, fmt.Errorf("%w: %w", ErrDocument, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return dst, ErrDocument
	}
	return out, nil
}

func transcode(dst []byte, decoder *json.Decoder) ([]byte, error) {
	token, err := decoder.Token()
	if err != nil {
		return dst, err
	}
	delimiter, composite := token.(json.Delim)
	if !composite {
		return appendScalar(dst, token), nil
	}
	var content []byte
	count := 0
	for ; decoder.More(); count++ {
		if content, err = transcode(content, decoder); err != nil {
			return dst, err
		}
	}
	if _, err := decoder.Token(); err != nil { // the closing bracket
		return dst, err
	}
	return append(appendLength(dst, delimiter, count), content...), nil
}

// appendLength appends the head of a map or array of so many tokens.
func appendLength(dst []byte, delimiter json.Delim, count int) []byte {
	buffer := appender(dst)
	encoder := msgpack.NewEncoder(&buffer)
	if delimiter == '{' {
		_ = encoder.EncodeMapLen(count / 2)
	} else {
		_ = encoder.EncodeArrayLen(count)
	}
	return buffer
}

func appendScalar(dst []byte, token json.Token) []byte {
	buffer := appender(dst)
	encoder := msgpack.NewEncoder(&buffer)
	switch value := token.(type) {
	case string:
		_ = encoder.EncodeString(value)
	case bool:
		_ = encoder.EncodeBool(value)
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			_ = encoder.EncodeInt(whole)
			break
		}
		float, _ := value.Float64() // out of range is infinite
		_ = encoder.EncodeFloat64(float)
	default:
		_ = encoder.EncodeNil()
	}
	return buffer
}

// AppendArrayLength appends the head of a MessagePack array.
func AppendArrayLength(dst []byte, length int) []byte { return appendLength(dst, '[', length) }
