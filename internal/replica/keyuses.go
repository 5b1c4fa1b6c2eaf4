package replica

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// keyUses are told with this replica's place in the registry. Each part of the process that seals
// has a function of its own.
type keyUses struct {
	mu   sync.Mutex // owns from
	from []func(now time.Time) []revlog.KeyUse
}

// ReportKeys has l tell the other readers of the store which keys this process holds, and how it
// used them. f must return quickly.
func (l *Replica) ReportKeys(f func(now time.Time) []revlog.KeyUse) {
	l.keyUses.mu.Lock()
	defer l.keyUses.mu.Unlock()
	l.keyUses.from = append(l.keyUses.from, f)
}

// all returns the keys, each once, ordered by id.
func (u *keyUses) all(now time.Time) (out []revlog.KeyUse) {
	u.mu.Lock()
	from := slices.Clone(u.from)
	u.mu.Unlock()
	for _, f := range from {
		for _, k := range f(now) {
			i := slices.IndexFunc(out, func(have revlog.KeyUse) bool { return have.ID == k.ID })
			if i < 0 {
				out = append(out, k)
				continue
			}
			out[i] = out[i].With(k)
		}
	}
	slices.SortFunc(out, func(a, b revlog.KeyUse) int { return strings.Compare(a.ID, b.ID) })
	return out
}
