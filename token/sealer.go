package token

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/keys"
)

// A Sealer seals and opens tokens under the keys of a ring. It is safe for concurrent use. Make one
// with [New].
type Sealer struct {
	src   keys.Source
	meter *keys.Meter

	// table is made from the ring that src returned last. Calls load it. mu guards its replacement,
	// so that calls that find a new ring at the same time make one table.
	table atomic.Pointer[table]
	mu    sync.Mutex
}

// New returns a Sealer that uses the ring of src, and follows it whenever src has another.
//
// Each seal and each token that opens is counted by the meter of src, and nothing is sealed with a
// key that is spent. If src is no [keys.Metered], the Sealer has a meter of its own.
func New(src keys.Source) *Sealer {
	s := &Sealer{src: src, meter: keys.MeterFor(src)}
	s.current()
	return s
}

// Meter returns the meter that counts what s seals and opens.
func (s *Sealer) Meter() *keys.Meter { return s.meter }

// Seals returns how often s itself sealed with a key of the ring.
func (s *Sealer) Seals(kid string) uint64 {
	if uses := s.current().keys[kid]; uses != nil {
		return uses[0].seals.Load()
	}
	return 0
}

// Format implements [fmt.Formatter]: every verb prints the name of the type.
func (s *Sealer) Format(f fmt.State, _ rune) { io.WriteString(f, "token.Sealer") }

// current returns the table of the ring that src has now. While the ring is the same, this costs
// two loads and a comparison.
func (s *Sealer) current() *table {
	if t := s.table.Load(); t != nil && t.ring == s.src.Ring() {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// src is asked again under the lock, so that a call that was slow to get here does not bring an
	// older ring back.
	ring := s.src.Ring()
	old := s.table.Load()
	if old != nil && old.ring == ring {
		return old
	}
	t := newTable(ring, old, s.meter)
	s.table.Store(t)
	return t
}

// SealSession appends to dst a token with the claims c, sealed with the key that seals at now. c
// must be as [Session] describes it. Nothing is allocated if the spare capacity of dst is the
// length of the token and 300 bytes. The errors are [ErrTooLarge], [ErrNoKey], [keys.ErrSpent]
// and [ErrMalformed]; dst is then returned unchanged.
func (s *Sealer) SealSession(dst []byte, c *Session, now time.Time) ([]byte, error) {
	return s.sealClaims(dst, session, c, now)
}

// SealBearer is [Sealer.SealSession] for a bearer token.
func (s *Sealer) SealBearer(dst []byte, c *Session, now time.Time) ([]byte, error) {
	return s.sealClaims(dst, bearer, c, now)
}

func (s *Sealer) sealClaims(dst []byte, k kind, c *Session, now time.Time) ([]byte, error) {
	n, err := sessionBound(c)
	if err != nil {
		return dst, err
	}
	e, err := s.current().sealing(k, now)
	if err != nil {
		return dst, err
	}
	grown, room := jwe.Room(dst, e.header, n)
	return e.seal(grown, appendSession(room, c), keys.Login, now)
}

// SealRenewal appends to dst a token with the claims c, as [Sealer.SealSession] does. It returns
// [keys.ErrSpent] sooner, so that renewals leave the last seals of a key to session tokens.
func (s *Sealer) SealRenewal(dst []byte, c *Renewal, now time.Time) ([]byte, error) {
	if !inRange(c.Loaded) || !inRange(c.IssuedAt) || !inRange(c.Expires) || !inRange(c.Checked) {
		return dst, ErrMalformed
	}
	e, err := s.current().sealing(renewal, now)
	if err != nil {
		return dst, err
	}
	grown, room := jwe.Room(dst, e.header, maxRenewal)
	return e.seal(grown, appendRenewal(room, c), keys.Renewal, now)
}

// OpenSession opens a session token and stores its claims in c. buf is scratch space and is
// overwritten up to its capacity; Subject, Audience and Data of c will point into it. A capacity of
// [MaxLength] bytes is always enough; if it is too small, a buffer is allocated instead.
//
// now decides only whether the key is still valid. All errors wrap [ErrInvalid]; c is then zero.
func (s *Sealer) OpenSession(buf []byte, compact string, c *Session, now time.Time) error {
	return s.openClaims(buf, compact, session, c, now)
}

// OpenBearer opens a bearer token as [Sealer.OpenSession] opens a session token. It refuses session
// tokens.
func (s *Sealer) OpenBearer(buf []byte, compact string, c *Session, now time.Time) error {
	return s.openClaims(buf, compact, bearer, c, now)
}

func (s *Sealer) openClaims(buf []byte, compact string, k kind, c *Session, now time.Time) error {
	*c = Session{}
	plaintext, e, err := s.open(buf, compact, k, now)
	if err != nil {
		return err
	}
	if !scanSession(plaintext, c) && !parseSession(plaintext, c) {
		*c = Session{}
		return ErrMalformed
	}
	c.KeyID = e.kid
	return nil
}

// OpenRenewal opens a renewal token and stores its claims in c, as [Sealer.OpenSession] does.
func (s *Sealer) OpenRenewal(buf []byte, compact string, c *Renewal, now time.Time) error {
	*c = Renewal{}
	plaintext, e, err := s.open(buf, compact, renewal, now)
	if err != nil {
		return err
	}
	if !scanRenewal(plaintext, c) && !parseRenewal(plaintext, c) {
		*c = Renewal{}
		return ErrMalformed
	}
	c.KeyID = e.kid
	return nil
}

// open returns the plaintext of a token of the given kind. There is one header, one key and one
// attempt: GCM does not commit to its key, so a token must not be tried with several keys.
func (s *Sealer) open(buf []byte, compact string, k kind, now time.Time) ([]byte, *entry, error) {
	if len(compact) > MaxLength {
		return nil, nil, ErrTooLong
	}
	parts, err := jwe.Split(compact)
	if err != nil {
		return nil, nil, ErrMalformed
	}
	e, err := s.current().find(parts.Header)
	if err != nil {
		return nil, nil, err
	}
	if e.kind != k {
		return nil, nil, ErrMalformed
	}
	if err := e.usable(now); err != nil {
		return nil, nil, err
	}
	plaintext, err := parts.Open(buf, e.aead)
	if err != nil {
		if errors.Is(err, jwe.ErrTampered) {
			return nil, nil, ErrTampered
		}
		return nil, nil, ErrMalformed
	}
	e.count.Opened(now)
	return plaintext, e, nil
}
