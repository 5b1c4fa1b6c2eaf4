package revlog

import (
	"crypto/sha256"
	"encoding/binary"
)

// A writing is a write that is being worked out. None of it is visible before it is committed.
type writing struct {
	head    Head
	quiet   bool
	skew    int64
	before  func(Key) (exactValue, bool)
	exact   map[Key]exactValue
	effects effectSet // of entries in exact and before
	entries []Entry
	results []Result
	changed bool
}

func (w *writing) lookup(k Key) (exactValue, bool) {
	if v, ok := w.exact[k]; ok {
		return v, true
	}
	return w.before(k)
}

func (w *writing) all(assertions []Assertion) error {
	for _, a := range assertions {
		if a.When == Before && a.W > w.head.MS {
			return ErrFuture // R5
		}
	}
	for _, a := range assertions {
		if err := w.assert(a); err != nil {
			return err
		}
	}
	return nil
}

// recheck raises the floor. It also moves log time to the next ms, so that a session that is looked
// up from now on is not looked up again.
func (w *writing) recheck() {
	w.head.Floor, w.head.MS, w.changed = w.head.MS, w.head.MS+1, true
}

// lacks records what r says about a loss, and reports whether that changes the head.
func (h *Head) lacks(r Repair) bool {
	old := *h
	if r.Known > 0 {
		if h.Known == 0 {
			h.KnownTerm = r.KnownTerm
		} else if h.KnownTerm != r.KnownTerm {
			h.KnownTerm = 0
		}
		h.Known = max(h.Known, r.Known)
	}
	if r.Known > h.Born {
		h.Born = max(h.MS, r.Known)
	}
	if h.Born = max(h.Born, r.Born); h.Born > old.Born {
		h.MS = max(h.MS, h.Born+1)
	}
	return h.Born != old.Born || h.Known != old.Known || h.KnownTerm != old.KnownTerm
}

func (w *writing) assert(a Assertion) error {
	ms := w.head.MS
	e := a.Entry()
	k := e.Key()
	if k.alone() && !w.quiet {
		ms++ // R3
	}
	e.Quiet = w.quiet
	switch {
	case k.Always():
		e.W = Forever
	case a.When == AtNow:
		e.W = ms + w.skew
	}
	if e.W > e.Limit {
		return &LimitError{w.head.MS} // R32
	}
	old, found := w.lookup(k)
	if found && string(old.mac[:]) == a.Over {
		old, found = exactValue{}, false
	}
	e.Until = max(ms+w.head.Retain().Milliseconds(), a.Until, old.until) // R4: never from W
	// What only a quiet write stored is new to the readers of the log.
	news := old.quiet && !w.quiet
	slow := found && w.underWay(k, old)
	if found && (e.W <= old.w || slow) && !news {
		w.stays(a, old)
		return nil
	}
	r := Result{Position: w.head.Position(), Changed: true}
	if found && (old.w > e.W || slow) {
		r.Held = old.entry(k)
		r.Held.Until = e.Until
		r.Held.Quiet = w.quiet
		e = r.Held
	}
	if !w.quiet { // a million quiet writes must not carry log time away
		e = w.log(ms, e)
		r.Position = e.Position
	}
	r.W = e.W
	w.exact[k] = exactOf(e)
	w.effects = w.effects.with(k.Effect)
	w.results = append(w.results, r)
	w.changed = true
	return nil
}

// underWay reports whether k ends sessions slowly, as old says, and nothing has ended all of them
// yet. Another entry in place of old would slow it down (R37).
func (w *writing) underWay(k Key, old exactValue) bool {
	if k.Effect != EndSlowly {
		return false
	}
	ended, _ := w.lookup(k.Whole())
	return ended.w < old.w
}

// stays answers an assertion that the exact set already covers (R6).
func (w *writing) stays(a Assertion, old exactValue) {
	k := a.Entry().Key()
	w.results = append(w.results, Result{Position: w.head.Position(), W: old.w, Held: old.entry(k)})
	if a.Until > old.until { // the caller asks to keep it for longer
		old.until = a.Until
		w.exact[k] = old
		w.changed = true
	}
}

// log appends e to the log at log time ms.
func (w *writing) log(ms int64, e Entry) Entry {
	e.Position = Position{ms, w.head.N + 1}
	e.Chain = chainAfter(w.head.Chain, e)
	w.head.MS, w.head.N, w.head.Chain = ms, e.Position.N, e.Chain
	if e.Key().alone() {
		w.head.MS++
	}
	w.entries = append(w.entries, e)
	return e
}

// chainAfter binds e to everything before it, so that a reader notices when it follows another log.
// It is not a MAC.
func chainAfter(prev [8]byte, e Entry) (next [8]byte) {
	b := append(make([]byte, 0, 96), prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Position.MS))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Position.N))
	b = e.AppendPacked(b)
	b = binary.BigEndian.AppendUint64(b, uint64(e.W))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Until))
	sum := sha256.Sum256(b)
	copy(next[:], sum[:])
	return next
}
