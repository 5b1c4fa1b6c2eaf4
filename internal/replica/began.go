package replica

import "time"

// Began returns since when the list remembers everything that it was told, for
// at least MaxIdle: since it began, or since its MaxIdle was raised to that. Of
// what was revoked before, it may know nothing. It is the zero time if l is
// disabled, or has not joined its list yet.
//
// lost reports that its store lost data less than MaxIdle ago, when the list began
// anew: replicas that had read it brought back what they knew, and the rest is in
// doubt.
func (l *Replica) Began() (at time.Time, lost bool) {
	v := l.view.Load()
	if v == nil {
		return time.Time{}, false
	}
	h := v.head
	raised := h.MS
	for _, r := range h.Retentions {
		if r.Retain >= l.config.retain() {
			raised = r.From
			break
		}
	}
	return time.UnixMilli(max(h.Born, raised)), h.Known > 0 && h.MS-h.Born < l.MaxIdle().Milliseconds()
}
