package httpmw

const (
	shareFor  = 10 // seconds
	shareSize = 4096
)

// recent remembers the values of the last seconds. It keeps two generations, and forgets the older one
// when the newer is full or old. Its owner locks it.
type recent[K comparable, V any] struct {
	now, old map[K]V
	since    int64 // Unix second when now was begun
}

func (r *recent[K, V]) find(k K) (V, bool) {
	if have, ok := r.now[k]; ok {
		return have, true
	}
	have, ok := r.old[k]
	return have, ok
}

// keep remembers v. now is in Unix seconds.
func (r *recent[K, V]) keep(k K, v V, now int64) {
	if r.now == nil || len(r.now) >= shareSize || now-r.since >= shareFor {
		r.old, r.now, r.since = r.now, make(map[K]V), now
	}
	r.now[k] = v
}
