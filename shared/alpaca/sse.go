package alpaca

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	maxStreamLine  = 1 << 20
	streamReadSize = 4 << 10
)

var errLineTooLong = errors.New("stream line is longer than 1 MiB")

// frame is one event's data, or one comment, of a text/event-stream.
type frame struct {
	data    []byte
	comment string
}

// frameReader splits a text/event-stream into frames, following the WHATWG's event-stream grammar as far as data and
// comments go; Alpaca uses nothing else. What the stream's end cuts off is dropped, as that grammar demands.
type frameReader struct {
	lines *bufio.Reader
	// alive is called for every line: any of them shows that the peer is there.
	alive func()
}

func newFrameReader(r io.Reader, alive func()) *frameReader {
	return &frameReader{lines: bufio.NewReaderSize(r, streamReadSize), alive: alive}
}

// next returns the next event or comment, io.EOF at the end.
func (f *frameReader) next() (frame, error) {
	var data []byte
	started := false
	for {
		line, err := f.line()
		if err != nil {
			return frame{}, err
		}
		f.alive()
		name, value := splitField(line)
		switch {
		case len(line) == 0 && started:
			return frame{data: data}, nil
		case len(line) > 0 && name == "" && !started:
			return frame{comment: printable(string(value), maxMessage)}, nil
		case name == "data":
			if started {
				data = append(data, '\n')
			}
			if len(data)+len(value) > maxStreamLine {
				return frame{}, errLineTooLong
			}
			data, started = append(data, value...), true
		}
	}
}

func splitField(line []byte) (name string, value []byte) {
	before, after, _ := bytes.Cut(line, []byte(":"))
	return string(before), bytes.TrimPrefix(after, []byte(" "))
}

// line returns one line without its end.
func (f *frameReader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := f.lines.ReadSlice('\n')
		if len(line)+len(part) > maxStreamLine {
			return nil, errLineTooLong
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read stream: %w", err)
		}
		return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), nil
	}
}
