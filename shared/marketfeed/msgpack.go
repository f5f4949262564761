package marketfeed

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// maxMessages bounds the messages of one frame, and maxConditions the codes of one message: a hostile length must not
// cost memory.
const (
	maxMessages   = 1 << 20
	maxConditions = 64
)

// packedReader decodes MessagePack frames. It belongs to one goroutine.
type packedReader struct {
	decoder *msgpack.Decoder
	source  bytes.Reader
	digits  []byte
}

func newPackedReader() *packedReader {
	r := &packedReader{}
	r.decoder = msgpack.NewDecoder(&r.source)
	return r
}

// read hands every message of a frame to handle, which must not keep it.
func (r *packedReader) read(frame []byte, handle func(*message) error) error {
	r.source.Reset(frame)
	r.decoder.Reset(&r.source)
	count, err := r.decoder.DecodeArrayLen()
	if err != nil || count > maxMessages {
		return fmt.Errorf("%w: frame is no array", ErrProtocol)
	}
	for range count {
		var m message
		if err := r.message(&m); err != nil {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if err := handle(&m); err != nil {
			return err
		}
	}
	return nil
}

func (r *packedReader) message(m *message) error {
	fields, err := r.decoder.DecodeMapLen()
	if err != nil {
		return err
	}
	for range fields {
		key, err := r.decoder.DecodeString()
		if err != nil {
			return err
		}
		if err := r.field(m, key); err != nil {
			return fmt.Errorf("%.20q: %w", key, err)
		}
	}
	return nil
}

// field reads the value of one key.
func (r *packedReader) field(m *message, key string) error {
	if target := m.number(key); target != nil {
		return r.number(target)
	}
	if target := m.word(key); target != nil {
		return r.word(target)
	}
	if target := m.counter(key); target != nil {
		return r.counter(target)
	}
	switch key {
	case "t":
		return r.time(&m.at)
	case "c":
		return r.mixed(m)
	case "code":
		code, err := r.decoder.DecodeInt()
		m.code = code
		return err
	default:
		return r.decoder.Skip()
	}
}

// number returns the decimal of a key.
func (m *message) number(key string) *decimal.Decimal {
	switch key {
	case "bp":
		return &m.bidPrice
	case "bs":
		return &m.bidSize
	case "ap":
		return &m.askPrice
	case "as":
		return &m.askSize
	case "p":
		return &m.price
	case "s":
		return &m.size
	case "o":
		return &m.open
	case "h":
		return &m.high
	case "l":
		return &m.low
	case "v":
		return &m.volume
	case "vw":
		return &m.vwap
	default:
		return nil
	}
}

// word returns the text of a key.
func (m *message) word(key string) *string {
	switch key {
	case "T":
		return &m.kind
	case "S":
		return &m.symbol
	case "msg":
		return &m.text
	case "bx":
		return &m.bidExchange
	case "ax":
		return &m.askExchange
	case "x":
		return &m.exchange
	case "tks":
		return &m.taker
	default:
		return nil
	}
}

// counter returns the whole number of a key.
func (m *message) counter(key string) *uint64 {
	switch key {
	case "i":
		return &m.id
	case "n":
		return &m.count
	default:
		return nil
	}
}

// number reads an integer or floating-point number; Alpaca's prices are doubles, whose shortest decimal form is the
// price. Another type is skipped: the keys mean other things in messages that nobody subscribes to.
func (r *packedReader) number(target *decimal.Decimal) error {
	code, err := r.decoder.PeekCode()
	if err != nil {
		return err
	}
	switch {
	case code == msgpcode.Double || code == msgpcode.Float:
		value, err := r.decoder.DecodeFloat64()
		if err != nil {
			return err
		}
		r.digits = strconv.AppendFloat(r.digits[:0], value, 'f', -1, 64)
		*target, err = decimal.Parse(string(r.digits))
		return err
	case integer(code):
		value, err := r.decoder.DecodeInt64()
		*target = decimal.FromInt(value)
		return err
	default:
		return r.decoder.Skip()
	}
}

func integer(code byte) bool {
	return msgpcode.IsFixedNum(code) || code >= msgpcode.Uint8 && code <= msgpcode.Int64
}

func (r *packedReader) word(target *string) error {
	code, err := r.decoder.PeekCode()
	if err != nil {
		return err
	}
	if !msgpcode.IsString(code) {
		return r.decoder.Skip()
	}
	*target, err = r.decoder.DecodeString()
	return err
}

func (r *packedReader) counter(target *uint64) error {
	code, err := r.decoder.PeekCode()
	if err != nil {
		return err
	}
	if !integer(code) {
		return r.decoder.Skip()
	}
	*target, err = r.decoder.DecodeUint64()
	return err
}

// time reads MessagePack's timestamp extension, or text.
func (r *packedReader) time(target *time.Time) error {
	code, err := r.decoder.PeekCode()
	if err != nil {
		return err
	}
	if !msgpcode.IsString(code) {
		*target, err = r.decoder.DecodeTime()
		return err
	}
	text, err := r.decoder.DecodeString()
	if err != nil {
		return err
	}
	*target, err = time.Parse(time.RFC3339Nano, text)
	return err
}

// mixed reads c: the close of a bar, the conditions of a stock's trade or quote, the one condition of an option's.
func (r *packedReader) mixed(m *message) error {
	code, err := r.decoder.PeekCode()
	if err != nil {
		return err
	}
	switch {
	case msgpcode.IsString(code):
		condition, err := r.decoder.DecodeString()
		m.conditions = []string{condition}
		return err
	case msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32:
		return r.conditions(m)
	default:
		return r.number(&m.closing)
	}
}

func (r *packedReader) conditions(m *message) error {
	count, err := r.decoder.DecodeArrayLen()
	if err != nil || count < 0 {
		return err
	}
	if count > maxConditions {
		return fmt.Errorf("%d conditions", count)
	}
	m.conditions = make([]string, count)
	for i := range m.conditions {
		if err := r.word(&m.conditions[i]); err != nil {
			return err
		}
	}
	return nil
}
