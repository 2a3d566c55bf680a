package crcguard_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"stablepages/crcguard"
)

func TestCombine(t *testing.T) {
	rng := newRand()
	for range 2000 {
		a, b := random(rng, rng.IntN(5000)), random(rng, rng.IntN(9000))
		want := crc32.Checksum(append(slices.Clone(a), b...), table)
		if got := crcguard.Combine(crcguard.Checksum(a), crcguard.Checksum(b), int64(len(b))); got != want {
			t.Fatalf("Combine of %d and %d bytes = %#x, want %#x", len(a), len(b), got, want)
		}
	}
}

// Associativity tests lengths that do not fit in memory.
func TestCombineIsAssociativeForHugeLengths(t *testing.T) {
	rng := newRand()
	for range 2000 {
		a, b, c := rng.Uint32(), rng.Uint32(), rng.Uint32()
		lenB, lenC := rng.Int64N(1<<62), rng.Int64N(1<<62)
		left := crcguard.Combine(crcguard.Combine(a, b, lenB), c, lenC)
		if right := crcguard.Combine(a, crcguard.Combine(b, c, lenC), lenB+lenC); left != right {
			t.Fatalf("lengths %d and %d: %#x, %#x", lenB, lenC, left, right)
		}
	}
}

func TestGuardFindsExactlyTheChangedBlocks(t *testing.T) {
	everyKernel(t, testGuardFindsExactlyTheChangedBlocks)
}

func testGuardFindsExactlyTheChangedBlocks(t *testing.T) {
	rng := newRand()
	for _, sumOnly := range []bool{false, true} {
		g := crcguard.Guard{SumOnly: sumOnly}
		for round := range max(40, 400/thin()) {
			off := int64(rng.IntN(8)) * 512
			p := random(rng, 1+rng.IntN(150*crcguard.BlockSize))
			g.ArmAt(p, off)
			if round%10 == 0 {
				if got := g.AppendChanged(nil, p); len(got) != 0 {
					t.Fatalf("nothing changed, AppendChanged says %v", got)
				}
			}
			was := slices.Clone(p)
			for range 1 + rng.IntN(4) {
				p[rng.IntN(len(p))] ^= 1 << rng.IntN(8)
			}
			var want []crcguard.Extent
			for lo := 0; lo < len(p); {
				hi := min(len(p), lo+crcguard.BlockSize-int((off+int64(lo))%crcguard.BlockSize))
				if !bytes.Equal(p[lo:hi], was[lo:hi]) {
					if k := len(want) - 1; k >= 0 && want[k].Off+want[k].Len == lo {
						want[k].Len += hi - lo
					} else {
						want = append(want, crcguard.Extent{Off: lo, Len: hi - lo})
					}
				}
				lo = hi
			}
			kept := crcguard.Extent{Off: -4096, Len: 4096} // ends where the buffer begins
			g.SumOnly = !sumOnly                           // it is what it was when it was armed
			got := g.AppendChanged([]crcguard.Extent{kept}, p)
			g.SumOnly = sumOnly
			if got[0] != kept || !slices.Equal(got[1:], want) {
				t.Fatalf("%d bytes at %d: AppendChanged = %v, want %v", len(p), off, got, want)
			}
		}
	}
}

func TestNothingAllocates(t *testing.T) { everyKernel(t, testNothingAllocates) }

func testNothingAllocates(t *testing.T) {
	p, dst := make([]byte, 1<<20), make([]byte, 1<<20)
	sums := make([]uint32, crcguard.BlocksAt(512, len(p)))
	var g crcguard.Guard
	g.ArmAt(p, 512)
	extents := make([]crcguard.Extent, 0, 16)
	if n := testing.AllocsPerRun(10, func() {
		crcguard.ChecksumBlocksAt(p, 512, sums)
		crcguard.CopyBlocksAt(dst, p, 512, sums)
		crcguard.CopyBlocksColdAt(dst, p, 512, sums)
		crcguard.Checksum(p)
		crcguard.Copy(dst, p)
		crcguard.CopyCold(dst, p)
		g.ArmAt(p, 512)
		extents = g.AppendChanged(extents[:0], p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestShortSlicesPanic(t *testing.T) {
	p := make([]byte, 2*crcguard.BlockSize)
	roomy, sums := make([]byte, 4*crcguard.BlockSize), make([]uint32, 8) // spare capacity is no room
	for name, f := range map[string]func(){
		"ChecksumBlocks":                    func() { crcguard.ChecksumBlocks(p, make([]uint32, 1)) },
		"CopyBlocks sums":                   func() { crcguard.CopyBlocks(make([]byte, len(p)), p, make([]uint32, 1)) },
		"CopyBlocks dst":                    func() { crcguard.CopyBlocks(make([]byte, len(p)-1), p, make([]uint32, 2)) },
		"Copy":                              func() { crcguard.Copy(make([]byte, len(p)-1), p) },
		"ChecksumBlocks spare":              func() { crcguard.ChecksumBlocks(p, sums[:1]) },
		"CopyBlocks spare sums":             func() { crcguard.CopyBlocks(roomy, p, sums[:1]) },
		"CopyBlocks spare dst":              func() { crcguard.CopyBlocks(roomy[:1], p, sums) },
		"Copy spare":                        func() { crcguard.Copy(roomy[:1], p) },
		"Copy onto itself":                  func() { crcguard.Copy(p, p) },
		"CopyCold onto itself":              func() { crcguard.CopyCold(p, p) },
		"CopyBlocksColdAt dst":              func() { crcguard.CopyBlocksColdAt(p[:1], roomy[:2], 0, sums) },
		"Copy overlap of a byte, dst above": func() { crcguard.Copy(p[4095:8191], p[:4096]) },
		"Copy overlap of a byte, dst below": func() { crcguard.Copy(p[:4096], p[4095:8191]) },
		"CopyBlocks overlap":                func() { crcguard.CopyBlocks(p[4096:], p[1:4097], make([]uint32, 1)) },
		"negative offset":                   func() { crcguard.BlocksAt(-1, 10) },
		"negative offset of nothing":        func() { crcguard.BlocksAt(-1, 0) },
		"negative length":                   func() { crcguard.Blocks(-1) },
		"Combine":                           func() { crcguard.Combine(0, 0, -1) },
		"AppendChanged shorter":             func() { var g crcguard.Guard; g.Arm(p); g.AppendChanged(nil, p[:1]) },
		"AppendChanged longer":              func() { var g crcguard.Guard; g.Arm(p[:1]); g.AppendChanged(nil, p) },
		"AppendChangedParts shorter":        func() { var g crcguard.Guard; g.Arm(p); g.AppendChangedParts(nil, [][]byte{p[:4096]}) },
		"AppendChangedParts longer":         func() { var g crcguard.Guard; g.Arm(p); g.AppendChangedParts(nil, [][]byte{p, p}) },
		"AppendChangedParts within a block": func() { var g crcguard.Guard; g.Arm(p); g.AppendChangedParts(nil, [][]byte{p[:4095], p[4095:]}) },
		"AppendChangedParts at an offset":   func() { var g crcguard.Guard; g.ArmAt(p, 512); g.AppendChangedParts(nil, [][]byte{p[:4096], p[4096:]}) },
		"ArmPartsAt within a block":         func() { new(crcguard.Guard).ArmPartsAt([][]byte{p[:4095], p[4095:]}, 0) },
		"ArmPartsAt within the last block":  func() { new(crcguard.Guard).ArmPartsAt([][]byte{p, p[:1], p[:1]}, 0) },
		"ArmPartsAt beside an empty part":   func() { new(crcguard.Guard).ArmPartsAt([][]byte{p[:1], nil, p[1:]}, 0) },
		"ArmPartsAt at an offset":           func() { new(crcguard.Guard).ArmPartsAt([][]byte{p[:4096], p[4096:]}, 512) },
		"ArmPartsAt at a negative offset":   func() { new(crcguard.Guard).ArmPartsAt([][]byte{p[:4096], p[4096:]}, -4096) },
		"ArmPartsAt of nothing before 0":    func() { new(crcguard.Guard).ArmPartsAt(nil, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text, ok := recover().(string); !ok || !strings.HasPrefix(text, "crcguard: ") {
					t.Errorf("panicked with %q", text)
				}
			}()
			f()
		})
	}
}

func TestNeighboursDoNotOverlap(t *testing.T) {
	p := random(newRand(), 2*crcguard.BlockSize)
	crcguard.Copy(p[4096:], p[:4096])
	crcguard.Copy(p[:4096], p[4096:])
}

func ExampleGuard() {
	p := make([]byte, 4*crcguard.BlockSize)
	var g crcguard.Guard
	g.Arm(p)
	p[5000] = 1 // somebody writes to the buffer
	fmt.Println(g.AppendChanged(nil, p))
	// Output: [{4096 4096}]
}
