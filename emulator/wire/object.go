package wire

import (
	"strconv"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Object is one message of a stream: an ordered list of fields that is described once and written in JSON or in
// MessagePack. The first field stays the first one: Alpaca's Go SDK refuses a MessagePack map that does not begin with T.
// The zero value is empty and ready; it is for one goroutine at a time.
type Object struct{ fields []member }

type kind uint8

const (
	kindString kind = iota
	kindNumber
	kindInteger
	kindUnsigned
	kindBool
	kindTime
	kindStrings
	kindObjects
	kindNull
)

type member struct {
	name    string
	kind    kind
	truth   bool
	text    string
	number  decimal.Decimal
	integer uint64 // an int64 for kindInteger
	at      time.Time
	list    []string
	objects []Object
}

// Reset empties the object, which keeps its memory.
func (o *Object) Reset() *Object {
	o.fields = o.fields[:0]
	return o
}

func (o *Object) add(m member) *Object {
	o.fields = append(o.fields, m)
	return o
}

// String adds text.
func (o *Object) String(name, text string) *Object {
	return o.add(member{name: name, kind: kindString, text: text})
}

// Number adds a decimal: a plain number in JSON, a 64-bit float in MessagePack.
func (o *Object) Number(name string, number decimal.Decimal) *Object {
	return o.add(member{name: name, kind: kindNumber, number: number})
}

// Int adds a signed integer.
func (o *Object) Int(name string, value int64) *Object {
	return o.add(member{name: name, kind: kindInteger, integer: uint64(value)})
}

// Uint adds an unsigned integer.
func (o *Object) Uint(name string, value uint64) *Object {
	return o.add(member{name: name, kind: kindUnsigned, integer: value})
}

// Bool adds a truth value.
func (o *Object) Bool(name string, truth bool) *Object {
	return o.add(member{name: name, kind: kindBool, truth: truth})
}

// Time adds a time: RFC 3339 text in JSON, the timestamp extension (type -1) in MessagePack.
func (o *Object) Time(name string, at time.Time) *Object {
	return o.add(member{name: name, kind: kindTime, at: at})
}

// Strings adds an array of texts; nil is an empty array, because Alpaca's JavaScript SDK reads the length of each.
func (o *Object) Strings(name string, list []string) *Object {
	return o.add(member{name: name, kind: kindStrings, list: list})
}

// Objects adds an array of objects.
func (o *Object) Objects(name string, objects []Object) *Object {
	return o.add(member{name: name, kind: kindObjects, objects: objects})
}

// Null adds null.
func (o *Object) Null(name string) *Object { return o.add(member{name: name, kind: kindNull}) }

// AppendJSON appends the object as JSON text.
func (o *Object) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i := range o.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		field := &o.fields[i]
		dst = append(String(dst, field.name), ':')
		dst = field.appendJSON(dst)
	}
	return append(dst, '}')
}

func (m *member) appendJSON(dst []byte) []byte {
	switch m.kind {
	case kindString:
		return String(dst, m.text)
	case kindNumber:
		return Number(dst, m.number)
	case kindInteger:
		return strconv.AppendInt(dst, int64(m.integer), 10)
	case kindUnsigned:
		return strconv.AppendUint(dst, m.integer, 10)
	case kindBool:
		return Bool(dst, m.truth)
	case kindTime:
		return Time(dst, m.at)
	case kindStrings:
		return appendStrings(dst, m.list)
	case kindObjects:
		return appendObjects(dst, m.objects)
	default:
		return append(dst, "null"...)
	}
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, text := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = String(dst, text)
	}
	return append(dst, ']')
}

func appendObjects(dst []byte, objects []Object) []byte {
	dst = append(dst, '[')
	for i := range objects {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = objects[i].AppendJSON(dst)
	}
	return append(dst, ']')
}

// AppendMessagePack appends the object as a MessagePack map.
func (o *Object) AppendMessagePack(dst []byte) []byte {
	buffer := appender(dst)
	encoder := msgpack.GetEncoder()
	defer msgpack.PutEncoder(encoder)
	encoder.Reset(&buffer)
	encoder.UseCompactInts(true)
	o.pack(encoder)
	return buffer
}

// pack ignores the encoder's errors: they are those of the writer, and appending has none.
func (o *Object) pack(encoder *msgpack.Encoder) {
	_ = encoder.EncodeMapLen(len(o.fields))
	for i := range o.fields {
		_ = encoder.EncodeString(o.fields[i].name)
		o.fields[i].pack(encoder)
	}
}

func (m *member) pack(encoder *msgpack.Encoder) {
	switch m.kind {
	case kindString:
		_ = encoder.EncodeString(m.text)
	case kindNumber:
		_ = encoder.EncodeFloat64(m.number.InexactFloat64())
	case kindInteger:
		_ = encoder.EncodeInt(int64(m.integer))
	case kindUnsigned:
		_ = encoder.EncodeUint(m.integer)
	case kindBool:
		_ = encoder.EncodeBool(m.truth)
	case kindTime:
		_ = encoder.EncodeTime(m.at)
	case kindStrings:
		_ = encoder.EncodeArrayLen(len(m.list))
		for _, text := range m.list {
			_ = encoder.EncodeString(text)
		}
	case kindObjects:
		_ = encoder.EncodeArrayLen(len(m.objects))
		for i := range m.objects {
			m.objects[i].pack(encoder)
		}
	default:
		_ = encoder.EncodeNil()
	}
}

// appender lets an encoder append to a slice.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

func (a *appender) WriteByte(c byte) error {
	*a = append(*a, c)
	return nil
}
