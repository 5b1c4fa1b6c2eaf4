package meter_test

import (
	"math/rand/v2"
	"testing"

	"github.com/wafer-sessions/wafer/internal/meter"
)

// A fleet shares one count, as rediskeys keeps it.
type fleet struct {
	total map[string]uint64
	uses  map[string][2]int64
}

func newFleet() *fleet { return &fleet{map[string]uint64{}, map[string][2]int64{}} }

// account tells the fleet what m wants it to know, and m what the fleet knows.
func (f *fleet) account(m *meter.Meter) {
	for _, w := range m.Wanted() {
		f.total[w.KID] = max(f.total[w.KID], w.Told) + w.Block
		u := f.uses[w.KID]
		f.uses[w.KID] = [2]int64{max(u[0], w.Sealed), max(u[1], w.Opened)}
		if w.Block > 0 {
			m.Reserved(w.KID, w.Block, f.total[w.KID])
		}
	}
	for kid, total := range f.total {
		m.Told(kid, total, f.uses[kid][0], f.uses[kid][1])
	}
}

func woken(m *meter.Meter) bool {
	select {
	case <-m.Wake():
		return true
	default:
		return false
	}
}

func TestBlocksGrow(t *testing.T) {
	f, m := newFleet(), meter.NewFleet(meter.Limits{First: 4, Block: 16, All: 1 << 20})
	var asked []uint64
	for range 200 {
		if !m.Count("a").Seal(true, start) {
			t.Fatal("refused")
		}
		if woken(m) {
			f.account(m)
			asked = append(asked, f.total["a"])
		}
		if n := m.Use("a").Seals; n > f.total["a"] {
			t.Fatalf("%d sealed of %d reserved", n, f.total["a"])
		}
	}
	want := []uint64{5, 10, 20, 36, 52}
	for i, n := range want {
		if asked[i] != n {
			t.Fatalf("reserved %v, want %v and so on", asked, want)
		}
	}
}

// However processes come, go, and fail to reserve, no more is sealed than may. What is not counted:
// what a process that was killed had sealed without a block, and blocks that were reserved between
// the loss of the count and its return.
func TestAFleetSealsNoMore(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		l := meter.Limits{First: 8, Block: 64, Shares: 16, Tired: 2000, Renewals: 3000, All: 4000}
		f := newFleet()
		type process struct {
			*meter.Meter
			sealed, reserved uint64
		}
		all := make([]process, 1+rnd.IntN(16))
		account := func(i int) (reserved uint64) {
			before := f.total["a"]
			f.account(all[i].Meter)
			reserved = f.total["a"] - before
			all[i].reserved += reserved
			return reserved
		}
		for i := range all {
			all[i].Meter = meter.NewFleet(l)
		}
		var sealed, renewed, uncounted uint64
		for range 20_000 {
			i := rnd.IntN(len(all))
			m := &all[i]
			renewal := rnd.IntN(2) == 0
			if m.Count("a").Seal(renewal, start) {
				m.sealed++
				sealed++
				if renewal {
					renewed = sealed
				}
			}
			switch {
			case woken(m.Meter) && rnd.IntN(4) > 0, rnd.IntN(100) == 0:
				account(i)
			case rnd.IntN(500) == 0: // killed; its block is lost
				uncounted += m.sealed - min(m.sealed, m.reserved)
				all[i] = process{Meter: meter.NewFleet(l)}
				account(i)
			case rnd.IntN(2000) == 0: // the count is lost
				f.total = map[string]uint64{}
				for i := range all {
					for _, w := range all[i].Wanted() {
						uncounted += w.Block
						all[i].reserved += w.Block
					}
					f.account(all[i].Meter)
				}
			}
		}
		if sealed > l.All+uncounted {
			t.Errorf("seed %d: %d sealed of %d; %d not counted", seed, sealed, l.All, uncounted)
		}
		if sealed < l.All/4 { // processes that die often take many blocks with them
			t.Errorf("seed %d: only %d sealed of %d", seed, sealed, l.All)
		}
		if renewed > l.Renewals+l.All/4+uncounted {
			t.Errorf("seed %d: renewals went on until %d", seed, renewed)
		}
	}
}

// The last block is cut at the limit, and then nothing more is asked for.
func TestTheEndOfAKey(t *testing.T) {
	f := newFleet()
	m := meter.NewFleet(meter.Limits{First: 64, Block: 64, Shares: 1 << 10, Renewals: 90, All: 100})
	sealed := 0
	for range 1000 {
		if m.Count("a").Seal(false, start) {
			sealed++
		}
		if woken(m) {
			f.account(m)
		}
	}
	if sealed != 100 {
		t.Errorf("%d sealed, want 100", sealed)
	}
	if f.total["a"] > 100+64 || woken(m) {
		t.Errorf("it reserves without end: %d", f.total["a"])
	}
	if m.Count("a").Seal(true, start) {
		t.Error("a renewal is sealed")
	}
	late := meter.NewFleet(meter.Limits{First: 64, Block: 64, Renewals: 90, All: 100})
	f.account(late)
	if late.Count("a").Seal(false, start) || late.Left("a") != 0 {
		t.Error("a process that starts later seals")
	}
}

// What others did with a key is known, and what this process was told is put back.
func TestOthersAreKnown(t *testing.T) {
	f := newFleet()
	a, b := meter.NewFleet(meter.Limits{}), meter.NewFleet(meter.Limits{})
	a.Count("a").Seal(true, start)
	a.Count("a").Opened(start)
	f.account(a)
	f.account(b)
	if u := b.Use("a"); u.Seals != 1+1<<12 || u.Sealed != start.Unix() || u.Opened != start.Unix() || !b.Fleet() {
		t.Errorf("%+v", u)
	}
	f.total, f.uses = map[string]uint64{}, map[string][2]int64{}
	f.account(b)
	if f.total["a"] != 1+1<<12 || f.uses["a"] != [2]int64{start.Unix(), start.Unix()} {
		t.Errorf("put back: %+v", f)
	}
	b.Keep(func(kid string) bool { return kid != "a" })
	if b.Use("a") != (meter.Use{}) {
		t.Error("a key that is gone is still counted")
	}
}

// A process seals on while a block is being reserved, more than the block holds, and then no more. The
// fleet learns of all of it.
func TestSealsDuringAReservationAreWantedAfterIt(t *testing.T) {
	m := meter.NewFleet(meter.Limits{First: 16, Block: 16})
	c, total := m.Count("k"), uint64(0)
	seal := func() {
		for range 40 {
			if !c.Seal(false, start) {
				t.Fatal("not sealed")
			}
		}
	}
	seal()
	<-m.Wake()
	block := m.Wanted()[0].Block
	seal()
	for block > 0 {
		select {
		case <-m.Wake():
		default:
		}
		total += block
		m.Reserved("k", block, total)
		block = m.Wanted()[0].Block
	}
	if total < 80 {
		t.Errorf("sealed 80 times, and the fleet knows of %d", total)
	}
}
