package serve

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// refuseRepeats rejects an object that names a field twice: of {"qty":1,"qty":100} one reader takes the first and
// another the last. content is one JSON value that decoded already. It looks at bytes, because asking encoding/json for
// every token costs an order more allocations than all of its decoding.
func refuseRepeats(content []byte) error {
	s := scan{content: content}
	s.value()
	if s.repeated == nil {
		return nil
	}
	name := string(s.repeated)
	return problem.InvalidRequest.New("%s stands twice", clip(name)).Field(clip(name))
}

// scan walks through valid JSON.
type scan struct {
	content  []byte
	at       int
	repeated []byte
}

// next is the next byte that is no white space; 0 at the end.
func (s *scan) next() byte {
	for s.at < len(s.content) {
		switch c := s.content[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// value steps over one value.
func (s *scan) value() {
	switch s.next() {
	case '{':
		s.object()
	case '[':
		s.list()
	case '"':
		s.text()
	default: // a number, true, false or null
		rest := bytes.IndexAny(s.content[s.at:], ",]} \t\r\n")
		if rest < 0 {
			rest = len(s.content) - s.at
		}
		s.at += max(1, rest)
	}
}

func (s *scan) list() {
	s.at++
	for c := s.next(); c != ']' && c != 0 && s.repeated == nil; c = s.next() {
		if c == ',' {
			s.at++
		}
		s.value()
	}
	s.at++
}

func (s *scan) object() {
	s.at++
	seen := fields{}
	for c := s.next(); c != '}' && c != 0 && s.repeated == nil; c = s.next() {
		if c == ',' {
			s.at++
			s.next()
		}
		name := s.name()
		if seen.add(name) {
			s.repeated = name
			return
		}
		if s.next() == ':' {
			s.at++
		}
		s.value()
	}
	s.at++
}

// fewFields is how many fields are compared one by one; nobody's order has more.
const fewFields = 24

// fields are the names in one object, in any case: encoding/json takes them so.
type fields struct {
	few   [fewFields][]byte
	count int
	many  map[string]bool
}

// add reports whether the name is there already.
func (f *fields) add(name []byte) bool {
	for _, former := range f.few[:f.count] {
		if bytes.EqualFold(former, name) {
			return true
		}
	}
	if f.count < fewFields {
		f.few[f.count] = name
		f.count++
		return false
	}
	if f.many == nil {
		f.many = make(map[string]bool)
	}
	folded := strings.ToLower(string(name))
	repeated := f.many[folded]
	f.many[folded] = true
	return repeated
}

// name is an object's next name, with its escapes resolved.
func (s *scan) name() []byte {
	raw := s.text()
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1] // never nil
	}
	var plain string
	if err := json.Unmarshal(raw, &plain); err != nil {
		return raw
	}
	return []byte(plain)
}

// text steps over one string and returns it with its quotes.
func (s *scan) text() []byte {
	begin := s.at
	for s.at++; s.at < len(s.content); s.at++ {
		switch s.content[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return s.content[begin:s.at]
		}
	}
	return s.content[begin:min(s.at, len(s.content))]
}
