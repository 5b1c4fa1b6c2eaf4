package httpmw

import "github.com/wafer-sessions/wafer/token"

const (
	shareFor  = 10 // seconds
	shareSize = 4096
)

// recent remembers a value for each of the sessions of the last seconds. It keeps two generations, and
// forgets the older one when the newer is full or old. Its owner locks it.
type recent[V any] struct {
	now, old map[token.ID]V
	since    int64 // Unix second when now was begun
}

func (r *recent[V]) find(id token.ID) (V, bool) {
	if have, ok := r.now[id]; ok {
		return have, true
	}
	have, ok := r.old[id]
	return have, ok
}

// keep remembers v. now is in Unix seconds.
func (r *recent[V]) keep(id token.ID, v V, now int64) {
	if r.now == nil || len(r.now) >= shareSize || now-r.since >= shareFor {
		r.old, r.now, r.since = r.now, make(map[token.ID]V), now
	}
	r.now[id] = v
}
