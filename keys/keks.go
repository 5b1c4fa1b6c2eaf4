package keys

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// KEKs is several KEKs in one, for the time in which the KEK changes. It opens a ring with any of
// them. A new ring is sealed with the first. A ring that exists stays under the KEK that opens it,
// whichever process edits it, until [RewrapFile] or rediskeys.Rewrap changes that. So a KEK changes
// in three steps, each of which may reach the processes one by one:
//
//  1. Give every process KEKs(old, new). They go on with the old one.
//  2. Rewrap the ring from the old one to the new one. Every process follows by itself.
//  3. Once all processes have read the ring again, which takes them one poll, give every process
//     the new one alone. Then destroy the old one.
//
// The KEK that opened last is tried first, so the others are not asked for while the KEK stays the
// same. One that cannot be had does not matter while another one opens the ring.
func KEKs(seal KEK, open ...KEK) KEK {
	all := &kek{kind: kindSeveral, last: new(atomic.Int32)}
	var from []string
	for _, k := range append([]KEK{seal}, open...) {
		switch {
		case k.k == nil:
			continue
		case k.k.kind == kindSeveral:
			all.several = append(all.several, k.k.several...)
		default:
			all.several = append(all.several, k)
		}
		from = append(from, k.k.from)
	}
	if len(all.several) == 0 {
		return KEK{}
	}
	all.from = strings.Join(from, ", ")
	return KEK{all}
}

// first returns the KEK that seals new rings.
func (k KEK) first() KEK {
	if k.k != nil && k.k.kind == kindSeveral {
		return k.k.several[0]
	}
	return k
}

// An opening is what decrypting a ring found.
type opening struct {
	doc      []byte // in plain text
	by       *kek   // the one that opened it
	material []byte // of that one
}

// decrypt returns the document of a ring, to the byte.
func (k KEK) decrypt(ctx context.Context, sealed []byte) (opening, error) {
	at, err := readAtRest(sealed)
	if err != nil {
		return opening{}, err
	}
	if k.k == nil || k.k.kind != kindSeveral {
		return k.decryptOne(ctx, at)
	}
	last := int(k.k.last.Load())
	found, err := k.k.several[last].decryptOne(ctx, at)
	for i, other := range k.k.several {
		if err == nil || !errors.Is(err, ErrKEK) || ctx.Err() != nil {
			return found, err
		}
		if i == last {
			continue
		}
		var more error
		if found, more = other.decryptOne(ctx, at); more == nil {
			k.k.last.Store(int32(i))
			return found, nil
		}
		err = fmt.Errorf("%w; %w", err, more)
	}
	return found, err
}
