package httpmw

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/internal/foreign"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// groupTags turns names into tags, each once.
func (c *core) groupTags(names []string) (tags [token.MaxGroups]revlog.Tag, n int, err error) {
next:
	for _, name := range names {
		switch {
		case name == "" || len(name) > maxID:
			return tags, 0, fmt.Errorf("%w: a group must have 1 to %d bytes", ErrIdentity, maxID)
		case strings.HasPrefix(name, foreign.GroupPrefix):
			return tags, 0, fmt.Errorf("%w: groups that begin with %q are for adopted sessions", ErrIdentity, foreign.GroupPrefix)
		}
		tag := c.replica.Tag(revlog.ScopeGroup, name)
		for _, have := range tags[:n] {
			if have == tag {
				continue next
			}
		}
		if n == len(tags) {
			return tags, 0, fmt.Errorf("%w: more than %d groups", ErrIdentity, len(tags))
		}
		tags[n] = tag
		n++
	}
	return tags, n, nil
}

func (o *opened) setGroups(c *core, names []string) (err error) {
	o.tok.GroupTags, o.tok.Groups, err = c.groupTags(names)
	return err
}

// groups returns the tags of the groups. They are part of o.
func (o *opened) groups() []revlog.Tag { return o.tok.GroupTags[:o.tok.Groups] }

// join adds a group, also one that no application can name.
func (o *opened) join(tag revlog.Tag) error {
	n := o.tok.Groups
	if n == token.MaxGroups {
		return fmt.Errorf("%w: more than %d groups", ErrIdentity, n-1)
	}
	o.tok.GroupTags[n] = tag
	o.tok.Groups++
	return nil
}

// A token names the tag by which the list knows its subject. That tag is not trusted: a holder of a
// sealing key could name another one, and no revocation of the subject would find the session.
// Computing the tag for each request would take longer than the decision, so pairs that were found
// right are remembered.

// subjectTags remembers the tags of subjects, the last one found in each slot. Only right pairs are
// stored.
type subjectTags struct {
	slots [4096]atomic.Pointer[subjectTag]
}

type subjectTag struct {
	tag     token.Tag
	subject string
}

func (s *subjectTags) slot(tag token.Tag) *atomic.Pointer[subjectTag] {
	return &s.slots[binary.LittleEndian.Uint16(tag[:])%uint16(len(s.slots))]
}

// tagSubject gives t the tag of its subject, and none without a subject. A token that was minted
// elsewhere may come without a tag.
func (c *core) tagSubject(t *token.Session, now time.Time) {
	said := t.SubjectTag
	if len(t.Subject) == 0 {
		t.SubjectTag = token.Tag{}
	} else {
		slot := c.tags.slot(said)
		if known := slot.Load(); known != nil && known.tag == said && known.subject == string(t.Subject) {
			return
		}
		subject := string(t.Subject)
		t.SubjectTag = c.replica.Tag(revlog.ScopeSubject, subject)
		if t.SubjectTag == said {
			slot.Store(&subjectTag{said, subject})
		}
	}
	if said != t.SubjectTag && said != (token.Tag{}) {
		c.count.retagged.Add(1)
		if c.count.warnedTag.due(now) {
			c.cfg.Logger.Warn("a session named the tag of another subject, which only a holder of a key can seal; the right tag was used",
				"app", c.cfg.App, "kid", t.KeyID)
		}
	}
}
