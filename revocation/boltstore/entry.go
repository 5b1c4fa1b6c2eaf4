package boltstore

import (
	"encoding/binary"
	"fmt"

	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// An entry on disk, big endian: version 1, scope 1, tag 16, ms 8, n 8, W 8,
// until 8, MAC 8, chain 8.
const entrySize = 1 + 1 + 16 + 4*8 + 8 + 8

func appendEntry(b []byte, e revlog.Entry) []byte {
	b = append(b, e.Version, byte(e.Scope))
	b = append(b, e.Tag[:]...)
	for _, n := range []int64{e.Position.MS, e.Position.N, e.W, e.Until} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, e.MAC[:]...)
	return append(b, e.Chain[:]...)
}

func parseEntry(b []byte) (e revlog.Entry, err error) {
	if len(b) != entrySize {
		return e, fmt.Errorf("%w: an entry of %d bytes", ErrCorrupt, len(b))
	}
	e.Version, e.Scope = b[0], revlog.Scope(b[1])
	b = b[2+copy(e.Tag[:], b[2:]):]
	for _, n := range []*int64{&e.Position.MS, &e.Position.N, &e.W, &e.Until} {
		*n = int64(binary.BigEndian.Uint64(b))
		if *n < 0 {
			return e, fmt.Errorf("%w: a number out of range", ErrCorrupt)
		}
		b = b[8:]
	}
	b = b[copy(e.MAC[:], b):]
	copy(e.Chain[:], b)
	return e, nil
}
