package serve

import (
	"strconv"
	"sync"
	"sync/atomic"
)

// answers is what the answers of a router share, so that one from a cache allocates next to nothing: header values that
// are always the same, numbers that hardly ever change, and buffers. Safe for concurrent use.
type answers struct {
	// The header values are never changed.
	json, nosniff, noStore []string
	limit, reset           lastNumber
	buffers                sync.Pool
}

func newAnswers() answers {
	return answers{json: []string{"application/json"}, nosniff: []string{"nosniff"}, noStore: []string{"no-store"}}
}

// buffer holds the body of one answer.
type buffer struct{ content []byte }

// largestKept is the largest buffer that is kept for the next answer, in bytes.
const largestKept = 16 << 10

func (a *answers) take() *buffer {
	if kept, ok := a.buffers.Get().(*buffer); ok {
		return kept
	}
	return &buffer{content: make([]byte, 0, 1<<10)}
}

func (a *answers) giveBack(b *buffer, content []byte) {
	if b.content = content; cap(content) <= largestKept {
		a.buffers.Put(b)
	}
}

// lastNumber remembers the text of the number that was asked for last.
type lastNumber struct{ last atomic.Pointer[numberText] }

type numberText struct {
	number int
	text   string
}

func (n *lastNumber) of(number int) string {
	if last := n.last.Load(); last != nil && last.number == number {
		return last.text
	}
	made := &numberText{number, strconv.Itoa(number)}
	n.last.Store(made)
	return made.text
}
