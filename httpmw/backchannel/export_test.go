package backchannel

import "time"

// Memory is what a process remembers about tokens, exported to test its limits.
type Memory = memory

const MaxUsed = maxUsed

func (m *memory) Add(jti [32]byte, now, until time.Time) bool { return m.add(jti, jti, now, until) }
func (m *memory) Knows(jti [32]byte, now time.Time) bool      { _, known := m.find(jti, now); return known }
func (m *memory) Len() int                                    { return max(len(m.known), len(m.order)) }
