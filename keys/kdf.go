package keys

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"

	"golang.org/x/crypto/argon2"

	"github.com/wafer-sessions/wafer/internal/jwe"
	"github.com/wafer-sessions/wafer/internal/strictjson"
)

const (
	minPassphrase = 12 // bytes
	saltSize      = 16 // RFC 9106 §3.1
	argon2id      = "argon2id"
	// Wafer writes the second recommended option of RFC 9106 §4.
	writtenTime   = 3
	writtenMemory = 64 << 10 // KiB
	writtenLanes  = 4
	// Wafer reads at most four times as much of each, so that a ring from elsewhere cannot demand
	// unlimited memory or time.
	mostTime   = 4 * writtenTime
	mostMemory = 4 * writtenMemory
	mostLanes  = 4 * writtenLanes
)

// kdf holds the parameters that derive a key from a passphrase: members of the protected header.
type kdf struct {
	Name   string `json:"kdf"`
	Salt   string `json:"salt"`
	Time   int64  `json:"t"` // passes
	Memory int64  `json:"m"` // KiB
	Lanes  int64  `json:"p"`
}

func (f *kdf) read(name string, v strictjson.Value) (bool, error) {
	switch name {
	case "kdf":
		return readText(v, &f.Name)
	case "salt":
		return readText(v, &f.Salt)
	case "t":
		return readNumber(v, &f.Time, math.MaxInt64)
	case "m":
		return readNumber(v, &f.Memory, math.MaxInt64)
	case "p":
		return readNumber(v, &f.Lanes, math.MaxInt64)
	}
	return false, nil
}

func (f *kdf) check() error {
	salt, ok := jwe.AppendDecode(nil, f.Salt)
	switch {
	case f.Name != argon2id:
		return errors.New("kdf is not argon2id")
	case !ok || len(salt) != saltSize:
		return errors.New("salt is not 16 bytes in base64url")
	case f.Time > mostTime || f.Memory > mostMemory || f.Lanes > mostLanes:
		return fmt.Errorf("argon2id with t=%d, m=%d, p=%d is too much work: the limits are t=%d, m=%d, p=%d, which is four times what Wafer writes",
			f.Time, f.Memory, f.Lanes, mostTime, mostMemory, mostLanes)
	case f.Time == 0 || f.Lanes == 0 || f.Memory < 8*f.Lanes: // RFC 9106 §3.1
		return errors.New("t, m and p are not valid parameters of argon2id")
	}
	return nil
}

// kdfState is what a KEK of a passphrase keeps between runs of the KDF.
type kdfState struct {
	turn    chan struct{} // held by the goroutine that uses derived or runs the KDF
	derived *derived      // nil: not yet
}

// derived is a key derived from a passphrase.
type derived struct {
	kdf
	of   func() [sha256.Size]byte // the passphrase's digest
	aead func() cipher.AEAD
}

// derive runs the KDF. It takes about 100 ms and 64 MiB with the parameters that Wafer writes.
func (f *kdf) derive(passphrase []byte, sum [sha256.Size]byte) *derived {
	salt, _ := jwe.AppendDecode(nil, f.Salt)
	a, err := jwe.AEAD(argon2.IDKey(passphrase, salt, uint32(f.Time), uint32(f.Memory), uint8(f.Lanes), secretSize))
	if err != nil {
		panic(err) // the length is right
	}
	return &derived{*f, func() [sha256.Size]byte { return sum }, func() cipher.AEAD { return a }}
}

// saltFor returns the parameters to seal with: those of the last run of the KDF if it was for this
// passphrase, or a new salt. Nonces are random, so a salt may be used again, and keeping it saves
// every reader a run.
func (k *kdfState) saltFor(passphrase []byte) *kdf {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	if k.derived != nil && k.derived.of() == sha256.Sum256(passphrase) {
		f := k.derived.kdf
		return &f
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	return &kdf{argon2id, encode(salt), writtenTime, writtenMemory, writtenLanes}
}

// aeadFrom returns the cipher for a passphrase. It runs the KDF unless the last run was for the
// same input. Only one run happens at a time. If ctx ends first, so does the wait; a run that has
// begun continues, and its result is kept.
func (k *kdfState) aeadFrom(ctx context.Context, passphrase []byte, f *kdf) (cipher.AEAD, error) {
	if err := ctx.Err(); err != nil { // select may take either of two ready cases
		return nil, interrupted(err)
	}
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, interrupted(ctx.Err())
	}
	sum := sha256.Sum256(passphrase)
	if d := k.derived; d != nil && d.kdf == *f && d.of() == sum {
		<-k.turn
		return d.aead(), nil
	}
	done := make(chan *derived, 1)
	go func() {
		d := f.derive(passphrase, sum)
		k.derived = d
		<-k.turn
		done <- d
	}()
	select {
	case d := <-done:
		return d.aead(), nil
	case <-ctx.Done():
		return nil, interrupted(ctx.Err())
	}
}

func interrupted(err error) error {
	return fmt.Errorf("%w: the key was not derived from the passphrase in time: %w", ErrKEK, err)
}
