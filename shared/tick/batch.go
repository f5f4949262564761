package tick

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrBatch is wrapped by every error of Open.
var ErrBatch = errors.New("malformed batch of ticks")

// batchVersion is the first byte of every batch.
const batchVersion = 1

// Batch is the ticks of one channel and a few milliseconds, being written. The zero value is ready for use.
type Batch struct {
	body  []byte
	count int
}

// Add appends one event, encoded for clients.
func (b *Batch) Add(e *Event, scratch []byte) []byte {
	scratch = e.AppendJSON(scratch[:0])
	b.body = append(b.body, byte(e.Class), byte(e.Kind), byte(len(e.Symbol)))
	b.body = append(b.body, e.Symbol...)
	b.body = binary.AppendUvarint(b.body, uint64(len(scratch)))
	b.body = append(b.body, scratch...)
	b.count++
	return scratch
}

// Len returns how many events there are, Size how many bytes they take.
func (b *Batch) Len() int { return b.count }

// Size returns how many bytes the events take.
func (b *Batch) Size() int { return len(b.body) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.body, b.count = b.body[:0], 0 }

// AppendTo appends the batch as it travels. token is the fencing token of the feed, sequence counts the batches that
// it sent to this channel: a reader that misses one knows.
func (b *Batch) AppendTo(buffer []byte, token int64, sequence uint64) []byte {
	buffer = append(buffer, batchVersion)
	buffer = binary.AppendUvarint(buffer, uint64(token))
	buffer = binary.AppendUvarint(buffer, sequence)
	return append(buffer, b.body...)
}

// Opened is a batch that arrived.
type Opened struct {
	Token    int64
	Sequence uint64
	rest     []byte
}

// Open reads the head of a batch. Its events alias data.
func Open(data []byte) (Opened, error) {
	if len(data) == 0 || data[0] != batchVersion {
		return Opened{}, fmt.Errorf("%w: unknown version", ErrBatch)
	}
	data = data[1:]
	token, n := binary.Uvarint(data)
	if n <= 0 {
		return Opened{}, fmt.Errorf("%w: token", ErrBatch)
	}
	data = data[n:]
	sequence, n := binary.Uvarint(data)
	if n <= 0 {
		return Opened{}, fmt.Errorf("%w: sequence", ErrBatch)
	}
	return Opened{Token: int64(token), Sequence: sequence, rest: data[n:]}, nil
}

// Next returns the next event's topic and JSON; false at the end. The error is for what is no batch.
func (o *Opened) Next() (topic Topic, encoded []byte, ok bool, err error) {
	const head = 3
	if len(o.rest) == 0 {
		return Topic{}, nil, false, nil
	}
	if len(o.rest) < head || o.rest[0] >= byte(classCount) || o.rest[1] >= byte(kindCount) {
		return Topic{}, nil, false, fmt.Errorf("%w: head of an event", ErrBatch)
	}
	topic.Class, topic.Kind = Class(o.rest[0]), Kind(o.rest[1])
	end := head + int(o.rest[2])
	if len(o.rest) < end {
		return Topic{}, nil, false, fmt.Errorf("%w: symbol", ErrBatch)
	}
	topic.Symbol = string(o.rest[head:end])
	o.rest = o.rest[end:]
	size, n := binary.Uvarint(o.rest)
	if n <= 0 || size > uint64(len(o.rest)-n) {
		return Topic{}, nil, false, fmt.Errorf("%w: body of an event", ErrBatch)
	}
	encoded = o.rest[n : n+int(size) : n+int(size)]
	o.rest = o.rest[n+int(size):]
	return topic, encoded, true, nil
}
