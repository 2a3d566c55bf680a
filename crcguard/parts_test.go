package crcguard_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"stablepages/crcguard"
)

// split returns p, which belongs at off of a file, in parts, each in memory of its
// own, at any address. They end where blocks of the file do; some are empty.
func split(rng *rand.Rand, p []byte, off int64) (parts [][]byte) {
	for len(p) > 0 {
		if rng.IntN(4) == 0 {
			parts = append(parts, [][]byte{nil, {}}[rng.IntN(2)])
		}
		blocks := 1 + rng.IntN(3)
		if rng.IntN(4) == 0 {
			blocks += rng.IntN(2 * crcguard.MaxBlocks)
		}
		n := min(len(p), blocks*crcguard.BlockSize-int(off%crcguard.BlockSize))
		at := rng.IntN(64)
		parts = append(parts, append(make([]byte, at, at+n), p[:n]...)[at:])
		p, off = p[n:], off+int64(n)
	}
	if rng.IntN(4) == 0 {
		parts = append(parts, nil)
	}
	return parts
}

func TestAGuardOfPartsIsTheGuardOfTheWhole(t *testing.T) {
	everyKernel(t, testAGuardOfPartsIsTheGuardOfTheWhole)
}

func testAGuardOfPartsIsTheGuardOfTheWhole(t *testing.T) {
	rng := newRand()
	for _, sumOnly := range []bool{false, true} {
		whole, inParts := crcguard.Guard{SumOnly: sumOnly}, crcguard.Guard{SumOnly: sumOnly}
		for round := range max(40, 400/thin()) {
			off := rng.Int64N(1 << 40)
			if round%2 == 0 {
				off -= off % 512
			}
			p := random(rng, rng.IntN(150*crcguard.BlockSize))
			if round%8 == 0 {
				p = p[:min(len(p), rng.IntN(2*crcguard.BlockSize))]
			}
			want := whole.ArmAt(p, off)
			if got := inParts.ArmPartsAt(split(rng, p, off), off); got != want || !slices.Equal(inParts.Sums(), whole.Sums()) {
				t.Fatalf("%d bytes at %d: the sum, or one of a block, is another in parts: %#x, want %#x", len(p), off, got, want)
			}
			if round%10 != 0 && len(p) > 0 {
				for range 1 + rng.IntN(4) { // and in the next block, beside a boundary of parts or not
					i := rng.IntN(len(p))
					p[i] ^= 1 << rng.IntN(8)
					p[min(len(p)-1, i+crcguard.BlockSize)] ^= 1
				}
			}
			kept := crcguard.Extent{Off: -4096, Len: 4096} // ends where the first part begins
			changed := whole.AppendChanged([]crcguard.Extent{kept}, p)
			if got := inParts.AppendChangedParts([]crcguard.Extent{kept}, split(rng, p, off)); !slices.Equal(got, changed) {
				t.Fatalf("%d bytes at %d: AppendChangedParts = %v, want %v", len(p), off, got, changed)
			}
			// Parts and one buffer are the same to a Guard.
			if got := inParts.AppendChanged(nil, p); !slices.Equal(got, changed[1:]) {
				t.Fatalf("%d bytes at %d: armed in parts, AppendChanged = %v, want %v", len(p), off, got, changed[1:])
			}
			if got := whole.AppendChangedParts(nil, split(rng, p, off)); !slices.Equal(got, changed[1:]) {
				t.Fatalf("%d bytes at %d: armed as one, AppendChangedParts = %v, want %v", len(p), off, got, changed[1:])
			}
		}
	}
}

func TestAGuardOfNoPartsSeesNoChange(t *testing.T) {
	for _, parts := range [][][]byte{nil, {}, {nil}, {{}, nil, {}}} {
		var g crcguard.Guard
		g.ArmAt(make([]byte, 10000), 512)
		if sum := g.ArmPartsAt(parts, 777); sum != 0 || len(g.Sums()) != 0 {
			t.Errorf("%d parts: sum %#x and %d blocks, want none", len(parts), sum, len(g.Sums()))
		}
		if got := g.AppendChangedParts(nil, parts); got != nil {
			t.Errorf("%d parts: AppendChangedParts = %v", len(parts), got)
		}
	}
}

func TestPartsDoNotAllocate(t *testing.T) { everyKernel(t, testPartsDoNotAllocate) }

func testPartsDoNotAllocate(t *testing.T) {
	p, q := make([]byte, 100<<10), make([]byte, 100<<10)
	extents := make([]crcguard.Extent, 0, 16)
	for _, sumOnly := range []bool{false, true} {
		g := crcguard.Guard{SumOnly: sumOnly}
		g.ArmAt(make([]byte, len(p)+len(q)), 512)
		if n := testing.AllocsPerRun(10, func() {
			g.ArmPartsAt([][]byte{p[512:], q}, 512)
			extents = g.AppendChangedParts(extents[:0], [][]byte{p[512:], q})
			g.ArmPartsAt([][]byte{p}, 512)
			extents = g.AppendChangedParts(extents[:0], [][]byte{p})
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}
