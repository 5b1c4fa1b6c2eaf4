package httpmw

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/wafer-sessions/wafer/revocation/revlog"
	"github.com/wafer-sessions/wafer/token"
)

// A token names the tag of its subject, by which the list knows that subject. The tag is not believed: somebody with a sealing
// key could name another one, and no revocation of the subject would find the session. Computing the tag for each request
// would take longer than deciding it, so the pairs that were found right are remembered.

// subjectTags remembers tags that are those of their subjects: the last one found in each slot. Only right pairs get in.
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

// tagSubject gives t the tag of its subject, and none without a subject. A token minted elsewhere may come without one.
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
			c.cfg.Logger.Warn("a session named the tag of another subject, which only somebody with a key can seal; its own was used",
				"app", c.cfg.App, "kid", t.KeyID)
		}
	}
}
