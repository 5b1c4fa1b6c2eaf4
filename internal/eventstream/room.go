package eventstream

import "sync"

// ofOne is how many streams one holder may have open. Browsers open one, or one for each tab where the
// page is served over plain http.
const ofOne = 8

// A Room bounds how many streams are open. The zero value is ready to use. A Room is safe for
// concurrent use.
type Room struct {
	mu   sync.Mutex // owns all below
	open int
	of   map[string]int // by holder
	full uint64         // how many were refused
}

// Enter reports whether holder may open one more stream, of most in all. If so, the caller calls Leave
// later.
func (r *Room) Enter(holder string, most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open >= most || r.of[holder] >= ofOne {
		r.full++
		return false
	}
	if r.of == nil {
		r.of = map[string]int{}
	}
	r.open++
	r.of[holder]++
	return true
}

// Leave notes that a stream of holder has ended.
func (r *Room) Leave(holder string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
	if r.of[holder]--; r.of[holder] == 0 {
		delete(r.of, holder)
	}
}

// Count returns how many streams are open, and how many were refused.
func (r *Room) Count() (open int, refused uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open, r.full
}
