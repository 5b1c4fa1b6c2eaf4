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

// A tagger computes tags, the MACs of entries and the check value of the list key.
// Functions hide its secrets from fmt.
type tagger struct {
	sid func() cipher.Block // AES-128: a permutation of session ids
	tag func() hash.Hash    // a new HMAC
	// mac is an HMAC truncated to 8 bytes. It is computed for each entry that is read, so
	// its state is reused.
	mac func(message []byte) [8]byte
	// check differs between two list keys, and reveals nothing about them.
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

// seal is session for a caller that owns both arrays: an argument of a cipher's interface
// would otherwise be allocated.
func (t *tagger) seal(tag *revlog.Tag, sid *[16]byte) { t.sid().Encrypt(tag[:], sid[:]) }

// of returns the tag of an id in every scope but sessions. Session ids are 16 bytes, and
// session makes their tags.
func (t *tagger) of(scope revlog.Scope, id string) (tag revlog.Tag) {
	h := t.tag()
	h.Write([]byte{byte(scope), 0})
	h.Write([]byte(id))
	copy(tag[:], h.Sum(nil))
	return tag
}

// entryMAC binds an entry to what it says: what it is about, what it does, and its
// watermark limit. So somebody who can write to the store cannot revoke with a made-up
// entry. The MAC does not cover the list id, because the exact set and what replicas write
// back outlive a list.
func (t *tagger) entryMAC(e revlog.Entry) (mac [8]byte) {
	return t.mac(e.AppendSigned(make([]byte, 0, 64)))
}

// reused returns a function that computes hashes and reuses the few that fresh makes.
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
