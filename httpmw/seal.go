package httpmw

import (
	"errors"
	"fmt"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

// sealSession returns the Set-Cookie lines of a session. It returns a *SizeError if a single line
// would be longer than room, or ErrSealingKeyRevoked.
func (c *core) sealSession(t *token.Session, room int, now time.Time) ([]string, error) {
	if err := c.sealable(now); err != nil {
		return nil, err
	}
	var lifetime int64
	if _, remember := c.limits(t); remember {
		lifetime = t.End - now.Unix()
	}
	value, err := c.sealer.SealSession(nil, t, now)
	if err != nil && !errors.Is(err, token.ErrTooLarge) {
		return nil, c.unsealed(err, now)
	}
	if err == nil {
		if line := c.cookie.line(c.cookie.nameOf(t), string(value), lifetime); len(line) <= room {
			return []string{line}, nil
		}
	}
	if c.spreads() {
		return c.sealChunks(t, lifetime, now)
	}
	return nil, c.tooLarge(t, lifetime, room, now)
}

// tooLarge measures a session that does not fit, by sealing it without its data.
func (c *core) tooLarge(t *token.Session, lifetime int64, room int, now time.Time) error {
	bare := *t
	bare.Data = nil
	value, err := c.sealer.SealSession(nil, &bare, now)
	if err != nil {
		return c.unsealed(err, now)
	}
	return newSizeError(len(c.cookie.line(c.cookie.nameOf(t), string(value), lifetime)), len(t.Data), room)
}

// clocksApart is how far the clocks of two machines may be apart before it is logged.
const clocksApart = time.Minute

// sealable returns ErrSealingKeyRevoked if the list knows that the key that seals now is revoked:
// an old copy of the ring was put back, or the ring has not followed the list yet. A session that
// this key sealed would be refused at its next request. No other key is taken instead, because an
// operator has to know.
func (c *core) sealable(now time.Time) error {
	key, ok := c.keys.Ring().Sealing(now)
	if !ok {
		return nil // sealing will fail, and say that there is no key
	}
	if early := key.NotBefore().Sub(now); early > clocksApart {
		c.count.early.Add(1)
		if c.count.warnedClock.due(now) {
			c.cfg.Logger.Warn("the clock of this machine is behind: no key of the ring may seal yet, so the first one that may is used early",
				"app", c.cfg.App, "kid", key.ID(), "seals_in", early.Round(time.Second))
		}
	}
	c.warnTired(key, now)
	if !c.replica.KeyRevoked(key.ID()) {
		return nil
	}
	c.count.unsealable.Add(1)
	c.lookForKey() // the source may have a new key already
	if c.count.warnedKey.due(now) {
		c.cfg.Logger.Error("no session can begin, change or be renewed, because the ring's sealing key is revoked: "+
			"rotate the ring (wafer keys rotate --now)", "app", c.cfg.App, "kid", key.ID())
	}
	return ErrSealingKeyRevoked
}

// unsealed turns the reason why a token was not sealed into an error of this package. A ring
// without a good key is not a mistake of the application.
func (c *core) unsealed(err error, now time.Time) error {
	switch {
	case errors.Is(err, keys.ErrSpent):
		c.count.spent.Add(1)
		if c.count.warnedSpent.due(now) {
			c.cfg.Logger.Error("no session can begin or change", "app", c.cfg.App, "error", err.Error())
		}
	case !errors.Is(err, token.ErrNoKey):
		return fmt.Errorf("httpmw: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
