package replica

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// Secrets is revocation.Secrets.
type Secrets interface {
	ListSecret(label string) [32]byte
}

// A tagger computes tags, entry MACs and the check value of the list key.
// Its secrets stand behind functions, where fmt cannot print them.
type tagger struct {
	sid func() cipher.Block // AES-128: a permutation of session ids
	tag func() hash.Hash    // a new HMAC
	// mac is an HMAC cut to 8 bytes. It is asked for of each entry that is read, so its
	// state is used again.
	mac func(message []byte) [8]byte
	// check tells two list keys apart without telling anything about them.
	check [16]byte
}

func newTagger(k Secrets) (*tagger, error) {
	sid, tag, mac := k.ListSecret("wafer list: session tags"), k.ListSecret("wafer list: tags"), k.ListSecret("wafer list: entry mac")
	block, err := aes.NewCipher(sid[:16])
	if err != nil {
		return nil, fmt.Errorf("revocation: session tags: %w", err)
	}
	t := &tagger{
		sid: func() cipher.Block { return block },
		tag: func() hash.Hash { return hmac.New(sha256.New, tag[:]) },
		mac: reused(func() hash.Hash { return hmac.New(sha256.New, mac[:]) }),
	}
	check := k.ListSecret("wafer list: key check")
	copy(t.check[:], check[:])
	return t, nil
}

func (t *tagger) session(sid [16]byte) (tag revlog.Tag) {
	t.seal(&tag, &sid)
	return tag
}

// seal is session for a caller that has room for both: what goes through the
// interface of a cipher is allocated otherwise.
func (t *tagger) seal(tag *revlog.Tag, sid *[16]byte) { t.sid().Encrypt(tag[:], sid[:]) }

// of is for every scope but sessions: their ids are 16 bytes, and tagged by session.
func (t *tagger) of(scope revlog.Scope, id string) (tag revlog.Tag) {
	h := t.tag()
	h.Write([]byte{byte(scope), 0})
	h.Write([]byte(id))
	copy(tag[:], h.Sum(nil))
	return tag
}

// entryMAC binds an entry to what it says: whom it is about, what it does, and how far
// it may reach. So nobody who can write to the store can revoke by making entries up. The
// list is not part of it: the exact set, and what is written back, outlive a list.
func (t *tagger) entryMAC(e revlog.Entry) (mac [8]byte) {
	return t.mac(e.AppendSigned(make([]byte, 0, 64)))
}

// reused returns a function that computes hashes with few of what fresh makes.
func reused(fresh func() hash.Hash) func(message []byte) [8]byte {
	type state struct {
		hash hash.Hash
		sum  []byte
	}
	pool := sync.Pool{New: func() any { return &state{hash: fresh()} }}
	return func(message []byte) (out [8]byte) {
		s := pool.Get().(*state)
		defer pool.Put(s)
		s.hash.Reset()
		s.hash.Write(message)
		s.sum = s.hash.Sum(s.sum[:0])
		copy(out[:], s.sum)
		return out
	}
}
