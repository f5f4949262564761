package feed

import (
	"sync"
	"time"
)

// maxLinger is how long Alpaca is reported to hold the place of a connection that broke.
const maxLinger = 90 * time.Second

// place is what connections are counted by.
type place struct{ account, endpoint string }

// slots counts the connections of each account and endpoint. It may be used concurrently.
type slots struct {
	linger time.Duration
	now    func() time.Time

	mu       sync.Mutex
	taken    map[place]int
	vanished map[place][]time.Time // when the places of connections that broke become free
}

func newSlots(linger time.Duration, now func() time.Time) *slots {
	return &slots{
		linger: min(linger, maxLinger), now: now, taken: make(map[place]int), vanished: make(map[place][]time.Time),
	}
}

// take takes one of limit places; false when there is none left.
func (s *slots) take(wanted place, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[wanted]+s.held(wanted) >= limit {
		return false
	}
	s.taken[wanted]++
	return true
}

// held counts the places that nobody uses but that are not free yet.
func (s *slots) held(wanted place) int {
	now := s.now()
	waiting := s.vanished[wanted]
	for len(waiting) > 0 && !waiting[0].After(now) {
		waiting = waiting[1:]
	}
	if len(waiting) == 0 {
		delete(s.vanished, wanted)
		return 0
	}
	s.vanished[wanted] = waiting
	return len(waiting)
}

// free gives a place back: at once, or after a while when the connection broke.
func (s *slots) free(taken place, clean bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[taken]--; s.taken[taken] == 0 {
		delete(s.taken, taken)
	}
	if !clean && s.linger > 0 {
		s.vanished[taken] = append(s.vanished[taken], s.now().Add(s.linger))
	}
}
