package stablewrite

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"syscall"
	"testing"

	"stablepages/crcguard"
)

// The strategies are step functions, so that the code that writes to a device
// can be run through every order of events on a simulated one: a mutator's steps
// against each moment at which a block of the caller's memory is read, by the
// first look, by the transfer in any order of blocks, by the second look, by the
// copy.

// choices walks depth first over every sequence of decisions.
type choices struct {
	taken, of []int
	at        int
}

func (c *choices) pick(n int) int {
	if c.at == len(c.taken) {
		c.taken, c.of = append(c.taken, 0), append(c.of, n)
	}
	c.at++
	return c.taken[c.at-1]
}

// next prepares the next sequence, and reports whether there is one.
func (c *choices) next() bool {
	for i := len(c.taken) - 1; i >= 0; i-- {
		if c.taken[i]+1 < c.of[i] {
			c.taken, c.of, c.at = c.taken[:i+1], c.of[:i+1], 0
			c.taken[i]++
			return true
		}
	}
	return false
}

// simulation is one run: caller memory, what the mutator still has to do, media.
// It is the Device, the detector and the memory of a flight.
type simulation struct {
	*choices
	crcguard.Guard
	p       []byte
	mutator []func()
	media   []byte
	refuses bool // as T10 PI: fails with EILSEQ if a block changed between submission and transfer

	first, moved [][]byte // what the first look and the transfer of p saw, by block
	restored     bool     // both looks saw the same of a block, and the transfer another
}

const exploredBlocks = 2

// yield lets the mutator take any number of steps.
func (s *simulation) yield() {
	for len(s.mutator) > 0 && s.pick(2) == 1 {
		s.mutator[0]()
		s.mutator = s.mutator[1:]
	}
}

func block(p []byte, i int) []byte { return p[i*kib4 : (i+1)*kib4] }

// look reads p block by block, letting the mutator in before each.
func (s *simulation) look(p []byte) (seen []byte) {
	for i := range len(p) / kib4 {
		s.yield()
		seen = append(seen, block(p, i)...)
	}
	return seen
}

func (s *simulation) ArmAt(p []byte, off int64) uint32 {
	seen := s.look(p)
	for i := range exploredBlocks {
		s.first = append(s.first, block(seen, i))
	}
	return s.Guard.ArmAt(seen, off)
}

func (s *simulation) AppendChanged(dst []Extent, p []byte) []Extent {
	seen := s.look(p)
	for i := range exploredBlocks {
		if bytes.Equal(s.first[i], block(seen, i)) && !bytes.Equal(s.moved[i], block(seen, i)) {
			s.restored = true
		}
	}
	return s.Guard.AppendChanged(dst, seen)
}

func (s *simulation) copyBlocks(dst, src []byte, off int64, sums []uint32) uint32 {
	copy(dst, s.look(src))
	return crcguard.ChecksumBlocksAt(dst[:len(src)], off, sums)
}

func (s *simulation) WriteAt(p []byte, off int64) (int, error) {
	before, submitted := slices.Clone(s.media), slices.Clone(p)
	left := []int{0, 1}[:len(p)/kib4]
	for len(left) > 0 {
		k := s.pick(len(left))
		i := left[k]
		left = slices.Concat(left[:k], left[k+1:])
		s.yield()
		copy(block(s.media[off:], i), block(p, i))
		if within(p, s.p) {
			s.moved[i] = slices.Clone(block(p, i))
		}
	}
	if s.refuses && !bytes.Equal(submitted, s.media[off:off+int64(len(p))]) {
		copy(s.media, before)
		return 0, syscall.EILSEQ
	}
	return len(p), nil
}

func (s *simulation) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (s *simulation) Sync() error                       { return nil }
func (s *simulation) Geometry() Geometry                { return Geometry{OffsetAlign: 512} }
func (s *simulation) Close() error                      { return nil }

type explored struct{ schedules, refused, violations, unexplained int }

// explore runs every schedule of one strategy against a mutator of three steps,
// which restores the first block with its last or does not.
func explore(t *testing.T, o Options, restore, refuses bool) (n explored) {
	for c := new(choices); ; {
		const size = exploredBlocks * kib4
		s := &simulation{choices: c, p: make([]byte, size), media: bytes.Repeat([]byte{9}, size), refuses: refuses, moved: make([][]byte, exploredBlocks)}
		set := func(i int, v byte) func() { return func() { block(s.p, i)[0] = v } }
		s.mutator = []func(){set(0, 1), set(1, 1), set(0, 2)}
		if restore {
			s.mutator[2] = set(0, 0)
		}
		f, err := NewDevice(s, o)
		if err != nil {
			t.Fatal(err)
		}
		fl := &flight{
			p: s.p, private: make([]byte, size), aligned: true, whole: o.Resubmit == Whole, unit: 512,
			guard: s, mem: s, sums: make([]uint32, exploredBlocks),
		}
		var r Receipt
		f.drive(fl, &r)
		n.schedules++
		switch truth := make([]uint32, exploredBlocks); {
		case errors.Is(fl.err, ErrChanged):
			n.refused++
		case fl.err != nil:
			t.Fatalf("%v: %v", o.Strategy, fl.err)
		case crcguard.ChecksumBlocks(s.media, truth) != fl.sum || !slices.Equal(truth, fl.sums):
			n.violations++
			if !s.restored {
				n.unexplained++
			}
		}
		f.Close()
		if !c.next() {
			return n
		}
	}
}

func TestEveryOrderOfEvents(t *testing.T) {
	for _, o := range []Options{{}, {Resubmit: Whole}, {Strategy: Detect}, {Strategy: Bounce}, {Strategy: Buffered}} {
		for _, refuses := range []bool{false, true} {
			for _, restore := range []bool{false, true} {
				n := explore(t, o, restore, refuses)
				t.Logf("%-8v whole=%d refusing device=%-5v restored=%-5v: %+v", o.Strategy, o.Resubmit, refuses, restore, n)
				promised := o.Strategy.Promise().Holds(restore)
				switch {
				case n.unexplained != 0:
					t.Errorf("%v: %d violations are no A-B-A change", o.Strategy, n.unexplained)
				case promised && n.violations != 0:
					t.Errorf("%v promises none and has %d violations", o.Strategy, n.violations)
				case !promised && n.violations == 0 && !refuses:
					t.Errorf("%v promises less than it keeps: no violation in %d schedules", o.Strategy, n.schedules)
				case (n.refused > 0) != o.Strategy.Promise().Refuses:
					t.Errorf("%v refused %d of %d", o.Strategy, n.refused, n.schedules)
				}
			}
		}
	}
}
