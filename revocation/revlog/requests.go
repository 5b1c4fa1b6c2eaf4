package revlog

import "time"

// requestKept is how long the answer to a numbered write is kept for one that is sent again.
const requestKept = time.Minute

// requests holds the answers to the numbered writes of the last minute.
type requests struct {
	known map[Request]Written
	order []requestAt
}

type requestAt struct {
	number Request
	at     time.Time
}

func (r *requests) answered(number Request) (Written, bool) {
	out, ok := r.known[number]
	return out, ok
}

func (r *requests) remember(number Request, out Written) {
	if number == (Request{}) {
		return
	}
	now := time.Now()
	for len(r.order) > 0 && now.Sub(r.order[0].at) > requestKept {
		delete(r.known, r.order[0].number)
		r.order = r.order[1:]
	}
	if r.known == nil {
		r.known = make(map[Request]Written)
	}
	r.known[number] = out
	r.order = append(r.order, requestAt{number, now})
}
