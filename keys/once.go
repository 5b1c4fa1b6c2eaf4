package keys

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Once returns a KEK that asks for the key at most once, and then keeps it. It is for work that
// opens and seals several times, such as an edit that is repeated because another process came
// first. Drop it when that is done.
func (k KEK) Once() KEK {
	switch {
	case k.k == nil || k.k.kind == kindPlaintext:
		return k
	case k.k.kind == kindSeveral:
		all := *k.k
		all.several = make([]KEK, len(k.k.several))
		for i, one := range k.k.several {
			all.several[i] = one.Once()
		}
		return KEK{&all}
	}
	one := *k.k
	one.get = once(k.k.get)
	return KEK{&one}
}

// once returns get, but with what it returned first. Errors are not kept.
func once(get func(context.Context) ([]byte, error)) func(context.Context) ([]byte, error) {
	var mu sync.Mutex
	var kept func() []byte // a function, so that nothing prints it
	return func(ctx context.Context) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if kept != nil {
			return kept(), nil
		}
		b, err := get(ctx)
		if err == nil {
			kept = func() []byte { return b }
		}
		return b, err
	}
}

// A pause keeps a KEK that failed from being asked for again at once: the service behind it may have
// a price and a quota, and be down because too many ask. The nil pause is none.
type pause struct {
	mu   sync.Mutex // owns the fields below
	last error      // nil: it did not fail
	at   time.Time
}

// err returns why the KEK failed, for some time after it did.
func (p *pause) err() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.at) >= kekAgain {
		return nil
	}
	return p.last
}

// note notes the result of asking. A caller who gave up says nothing about the service.
func (p *pause) note(err error) {
	if p == nil || errors.Is(err, context.Canceled) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.at = err, time.Now()
}
