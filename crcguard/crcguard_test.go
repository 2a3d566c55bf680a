package crcguard_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"stablepages/crcguard"
)

// The reference is the standard library's, block by block.
var table = crc32.MakeTable(crc32.Castagnoli)

func reference(p []byte, off int64) (sums []uint32, whole uint32) {
	whole = crc32.Checksum(p, table)
	for len(p) > 0 {
		n := min(len(p), crcguard.BlockSize-int(off%crcguard.BlockSize))
		sums = append(sums, crc32.Checksum(p[:n], table))
		p, off = p[n:], off+int64(n)
	}
	return sums, whole
}

func random(rng *rand.Rand, n int) []byte {
	p := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], rng.Uint64())
	}
	return p[:n]
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(2011, 4)) }

// lengths crosses every boundary that the code knows of.
var lengths = []int{0, 1, 7, 511, 512, 4095, 4096, 4097, 8191, 8192, 8193, 3*4096 + 512, 65536, 1<<20 + 1}

func TestEverySumEqualsTheReference(t *testing.T) {
	rng := newRand()
	for _, n := range lengths {
		for _, off := range []int64{0, 1, 512, 3584, 4095, 4096, 1<<40 + 512} {
			p := random(rng, n)
			wantSums, want := reference(p, off)
			if got := crcguard.BlocksAt(off, n); got != len(wantSums) {
				t.Fatalf("BlocksAt(%d, %d) = %d, want %d", off, n, got, len(wantSums))
			}
			check := func(name string, whole uint32, sums []uint32) {
				t.Helper()
				if whole != want {
					t.Errorf("%s of %d bytes at %d = %#x, want %#x", name, n, off, whole, want)
				}
				if sums != nil && !slices.Equal(sums, wantSums) {
					t.Errorf("%s of %d bytes at %d: sums differ", name, n, off)
				}
			}
			sums := make([]uint32, len(wantSums))
			dst := make([]byte, n+1)
			dst[n] = 0xa5

			check("Checksum", crcguard.Checksum(p), nil)
			check("Update", crcguard.Update(crcguard.Checksum(p[:n/3]), p[n/3:]), nil)
			check("ChecksumBlocksAt", crcguard.ChecksumBlocksAt(p, off, sums), sums)
			clear(sums)
			check("CopyBlocksAt", crcguard.CopyBlocksAt(dst, p, off, sums), sums)
			if !bytes.Equal(dst[:n], p) || dst[n] != 0xa5 {
				t.Errorf("CopyBlocksAt of %d bytes: wrong bytes in dst", n)
			}
			clear(dst[:n])
			check("Copy", crcguard.Copy(dst, p), nil)
			if !bytes.Equal(dst[:n], p) || dst[n] != 0xa5 {
				t.Errorf("Copy of %d bytes: wrong bytes in dst", n)
			}
			for _, sumOnly := range []bool{false, true} {
				g := crcguard.Guard{SumOnly: sumOnly}
				check("Guard.ArmAt", g.ArmAt(p, off), g.Sums())
			}
		}
	}
}

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

// Lengths that no test can hold in memory are held together by associativity.
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
	rng := newRand()
	for _, sumOnly := range []bool{false, true} {
		g := crcguard.Guard{SumOnly: sumOnly}
		for round := range 500 {
			off := int64(rng.IntN(8)) * 512
			p := random(rng, 1+rng.IntN(40*crcguard.BlockSize))
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
			kept := crcguard.Extent{Off: -1, Len: 0}
			got := g.AppendChanged([]crcguard.Extent{kept}, p)
			if got[0] != kept || !slices.Equal(got[1:], want) {
				t.Fatalf("%d bytes at %d: AppendChanged = %v, want %v", len(p), off, got, want)
			}
		}
	}
}

// selfSum makes page end in its own CRC-32C, as pages of databases do.
func selfSum(page []byte) {
	end := len(page) - 4
	binary.LittleEndian.PutUint32(page[end:], crc32.Checksum(page[:end], table))
}

// The second hole of the 2011 proposal, and what closes it.
func TestOnlyTheDigestSeesChangesOfSelfSummedPages(t *testing.T) {
	rng := newRand()
	digest, sumOnly := crcguard.Guard{}, crcguard.Guard{SumOnly: true}
	const pages = 2000
	var seen, seenBySum int
	for range pages {
		p := random(rng, crcguard.BlockSize)
		selfSum(p)
		digest.Arm(p)
		sumOnly.Arm(p)
		p[rng.IntN(100)]++
		selfSum(p)
		seen += len(digest.AppendChanged(nil, p))
		seenBySum += len(sumOnly.AppendChanged(nil, p))
	}
	if seen != pages || seenBySum != 0 {
		t.Errorf("of %d changes the digest saw %d and CRC-32C %d; want all and none", pages, seen, seenBySum)
	}
}

func TestNothingAllocates(t *testing.T) {
	p, dst := make([]byte, 1<<20), make([]byte, 1<<20)
	sums := make([]uint32, crcguard.BlocksAt(512, len(p)))
	var g crcguard.Guard
	g.ArmAt(p, 512)
	extents := make([]crcguard.Extent, 0, 16)
	if n := testing.AllocsPerRun(10, func() {
		crcguard.ChecksumBlocksAt(p, 512, sums)
		crcguard.CopyBlocksAt(dst, p, 512, sums)
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
		"ChecksumBlocks":        func() { crcguard.ChecksumBlocks(p, make([]uint32, 1)) },
		"CopyBlocks sums":       func() { crcguard.CopyBlocks(make([]byte, len(p)), p, make([]uint32, 1)) },
		"CopyBlocks dst":        func() { crcguard.CopyBlocks(make([]byte, len(p)-1), p, make([]uint32, 2)) },
		"Copy":                  func() { crcguard.Copy(make([]byte, len(p)-1), p) },
		"ChecksumBlocks spare":  func() { crcguard.ChecksumBlocks(p, sums[:1]) },
		"CopyBlocks spare sums": func() { crcguard.CopyBlocks(roomy, p, sums[:1]) },
		"CopyBlocks spare dst":  func() { crcguard.CopyBlocks(roomy[:1], p, sums) },
		"Copy spare":            func() { crcguard.Copy(roomy[:1], p) },
		"Copy onto itself":      func() { crcguard.Copy(p, p) },
		"CopyBlocks overlap":    func() { crcguard.CopyBlocks(p[4096:], p[1:4097], make([]uint32, 1)) },
		"negative offset":       func() { crcguard.BlocksAt(-1, 10) },
		"Combine":               func() { crcguard.Combine(0, 0, -1) },
		"AppendChanged shorter": func() { var g crcguard.Guard; g.Arm(p); g.AppendChanged(nil, p[:1]) },
		"AppendChanged longer":  func() { var g crcguard.Guard; g.Arm(p[:1]); g.AppendChanged(nil, p) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}

func FuzzSums(f *testing.F) {
	f.Add([]byte("stable"), []byte("pages"), uint16(512))
	f.Add(make([]byte, 9000), []byte{}, uint16(4095))
	f.Fuzz(func(t *testing.T, a, b []byte, off uint16) {
		p := append(slices.Clone(a), b...)
		wantSums, want := reference(p, int64(off))
		sums := make([]uint32, len(wantSums))
		if got := crcguard.CopyBlocksAt(make([]byte, len(p)), p, int64(off), sums); got != want || !slices.Equal(sums, wantSums) {
			t.Errorf("CopyBlocksAt(%d bytes at %d) = %#x, want %#x", len(p), off, got, want)
		}
		if got := crcguard.Combine(crcguard.Checksum(a), crcguard.Checksum(b), int64(len(b))); got != want {
			t.Errorf("Combine = %#x, want %#x", got, want)
		}
	})
}

func FuzzGuard(f *testing.F) {
	f.Add(make([]byte, 9000), uint32(4096), byte(1), uint16(512))
	f.Fuzz(func(t *testing.T, p []byte, at uint32, flip byte, off uint16) {
		if len(p) == 0 {
			return
		}
		var g crcguard.Guard
		g.ArmAt(p, int64(off))
		p = slices.Clone(p)
		i := int(at) % len(p)
		p[i] ^= flip
		got := g.AppendChanged(nil, p)
		switch {
		case flip == 0 && len(got) != 0:
			t.Errorf("nothing changed: %v", got)
		case flip != 0 && (len(got) != 1 || i < got[0].Off || i >= got[0].Off+got[0].Len):
			t.Errorf("byte %d changed: %v", i, got)
		}
	})
}

func ExampleGuard() {
	p := make([]byte, 4*crcguard.BlockSize)
	var g crcguard.Guard
	g.Arm(p)
	p[5000] = 1 // somebody writes to the buffer
	fmt.Println(g.AppendChanged(nil, p))
	// Output: [{4096 4096}]
}

func BenchmarkChecksumBlocks(b *testing.B) {
	p := make([]byte, 1<<20)
	sums := make([]uint32, crcguard.Blocks(len(p)))
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		crcguard.ChecksumBlocks(p, sums)
	}
}

func BenchmarkGuard(b *testing.B) {
	p := make([]byte, 1<<20)
	for _, sumOnly := range []bool{false, true} {
		b.Run(fmt.Sprintf("sumonly=%v", sumOnly), func(b *testing.B) {
			g := crcguard.Guard{SumOnly: sumOnly}
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				g.Arm(p)
				g.AppendChanged(nil, p)
			}
		})
	}
}

func BenchmarkCopyBlocks(b *testing.B) {
	p, dst := make([]byte, 1<<20), make([]byte, 1<<20)
	sums := make([]uint32, crcguard.Blocks(len(p)))
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		crcguard.CopyBlocks(dst, p, sums)
	}
}
