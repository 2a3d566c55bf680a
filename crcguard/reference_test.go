package crcguard_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

// thin returns by how much tests reduce their number of cases. All cases take a minute,
// and many minutes under the race detector and on emulated machines, which use -short.
func thin() int {
	switch {
	case testing.Short():
		return 331
	case raced:
		return 61
	case testenv.Full():
		return 1
	}
	return 13
}

// everyKernel runs a test with each kernel that was built. It reports a kernel that the
// machine lacks as missing.
func everyKernel(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	names, available := crcguard.Kernels()
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			if !available[i] {
				testenv.Missing(t, "a processor for the kernel %s", name)
			}
			defer crcguard.Use(name)()
			test(t)
		})
	}
}

// eachKernel is everyKernel for fuzzing, which has no time for subtests. It leaves out
// kernels that the machine lacks.
func eachKernel(test func()) {
	names, available := crcguard.Kernels()
	for i, name := range names {
		if available[i] {
			func() {
				defer crcguard.Use(name)()
				test()
			}()
		}
	}
}

// The reference is the standard library's CRC-32C.
var table = crc32.MakeTable(crc32.Castagnoli)

// reference holds the right sums of a buffer.
type reference struct {
	whole uint32
	sums  []uint32
}

func newReferenceAt(p []byte, off int64) (r reference) {
	r.whole = crc32.Checksum(p, table)
	for len(p) > 0 {
		n := min(len(p), crcguard.BlockSize-int(off%crcguard.BlockSize))
		r.sums = append(r.sums, crc32.Checksum(p[:n], table))
		p, off = p[n:], off+int64(n)
	}
	return r
}

func random(rng *rand.Rand, n int) []byte {
	p := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], rng.Uint64())
	}
	return p[:n]
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(2011, 4)) }

// canary surrounds sums, so that one too many is seen.
const canary = 0xca9a12e5

// guards and sumsRoom are used again and again: most of the time would be spent on
// allocating them.
var (
	guards   = []*crcguard.Guard{{}, {SumOnly: true}}
	sumsRoom []uint32
)

// equal compares all results for p, at off of a file, with want. dst is as long as p.
// The text names the operation, as t.Helper would take a quarter of the time.
func equal(t *testing.T, p, dst []byte, off int64, want reference) {
	n := len(want.sums)
	if len(sumsRoom) < n+2 {
		sumsRoom = make([]uint32, n+2)
	}
	room := sumsRoom[:n+2]
	sums := room[1 : n+1]
	check := func(name string, whole uint32, got []uint32) {
		if whole != want.whole {
			t.Fatalf("%s of %d bytes at %d = %#x, want %#x", name, len(p), off, whole, want.whole)
		}
		if got != nil && !slices.Equal(got, want.sums) {
			t.Fatalf("%s of %d bytes at %d: sums of blocks are wrong", name, len(p), off)
		}
		if room[0] != canary || room[n+1] != canary {
			t.Fatalf("%s of %d bytes at %d wrote beside sums", name, len(p), off)
		}
	}
	copied := func(name string, whole uint32, got []uint32) {
		check(name, whole, got)
		if !bytes.Equal(dst, p) {
			t.Fatalf("%s of %d bytes at %d: dst is not src", name, len(p), off)
		}
		clear(dst)
		clear(sums)
	}
	room[0], room[n+1] = canary, canary
	if got := crcguard.BlocksAt(off, len(p)); got != n {
		t.Fatalf("BlocksAt(%d, %d) = %d, want %d", off, len(p), got, n)
	}
	check("Checksum", crcguard.Checksum(p), nil)
	check("ChecksumBlocksAt", crcguard.ChecksumBlocksAt(p, off, sums), sums)
	clear(sums)
	copied("CopyBlocksAt", crcguard.CopyBlocksAt(dst, p, off, sums), sums)
	copied("CopyBlocksColdAt", crcguard.CopyBlocksColdAt(dst, p, off, sums), sums)
	copied("Copy", crcguard.Copy(dst, p), nil)
	copied("CopyCold", crcguard.CopyCold(dst, p), nil)
	for _, g := range guards {
		check("Guard.ArmAt", g.ArmAt(p, off), g.Sums())
		if got := g.AppendChanged(nil, p); got != nil {
			t.Fatalf("%d bytes at %d: nothing changed, AppendChanged says %v", len(p), off, got)
		}
	}
}

// Every length to two blocks, at every address within a cache line.
func TestEveryKernelEqualsTheReferenceAtEveryLengthAndAddress(t *testing.T) {
	const line = 64
	p, dst := aligned(2*crcguard.BlockSize+line, line), aligned(2*crcguard.BlockSize+line, line)
	copy(p, random(newRand(), len(p)))
	everyKernel(t, func(t *testing.T) {
		for at := range line {
			var want reference
			for n := 0; n <= 2*crcguard.BlockSize; n++ {
				if n > 0 { // one byte more
					want.whole = crc32.Update(want.whole, table, p[at+n-1:at+n])
					if n%crcguard.BlockSize == 1 {
						want.sums = append(want.sums, 0)
					}
					last := &want.sums[len(want.sums)-1]
					*last = crc32.Update(*last, table, p[at+n-1:at+n])
				}
				if n%thin() == 0 {
					// Aligned half of the time, as streaming wants it.
					to := (at + n) % 2 * (at + n) % line
					equal(t, p[at:at+n], dst[to:to+n], 0, want)
				}
			}
		}
	})
}

// aligned returns memory that begins at a multiple of align, and may end anywhere.
func aligned(n, align int) []byte {
	p := make([]byte, n+align)
	skip := -int(uintptr(unsafe.Pointer(&p[0]))) & (align - 1)
	return p[skip : skip+n]
}

func TestEveryKernelEqualsTheReferenceOnTheGridOfAFile(t *testing.T) {
	everyKernel(t, func(t *testing.T) {
		rng := newRand()
		for _, n := range []int{0, 1, 7, 511, 512, 4095, 4096, 4097, 8191, 8193, 3*4096 + 512, 65536, 1<<20 + 1} {
			for _, off := range []int64{0, 1, 512, 3584, 4095, 4096, 1<<40 + 512} {
				p := random(rng, n)
				equal(t, p, make([]byte, n), off, newReferenceAt(p, off))
			}
		}
	})
}

// Every number of blocks across two calls of assembly, and lengths around the one
// from which copies stream.
func TestEveryKernelEqualsTheReferenceForLongBuffers(t *testing.T) {
	everyKernel(t, func(t *testing.T) {
		rng := newRand()
		p := random(rng, 4<<20+crcguard.BlockSize)
		dst := aligned(len(p), 64)
		lengths := []int{crcguard.StreamFrom - 1, crcguard.StreamFrom, crcguard.StreamFrom + 4095, 4 << 20}
		for blocks := 0; blocks < 2*crcguard.MaxBlocks+3; blocks += 1 + thin()/32 {
			lengths = append(lengths, blocks*crcguard.BlockSize)
		}
		for range max(2, 40/thin()) {
			lengths = append(lengths, rng.IntN(4<<20))
		}
		for _, n := range lengths {
			from, off := rng.IntN(64), rng.Int64N(1<<50)
			equal(t, p[from:from+n], dst[:n], off, newReferenceAt(p[from:from+n], off))
		}
	})
}

func TestChainedUpdatesAreOneSum(t *testing.T) {
	everyKernel(t, func(t *testing.T) {
		rng := newRand()
		for range 200 {
			p := random(rng, rng.IntN(200_000))
			var sum, combined uint32
			for rest := p; len(rest) > 0; {
				n := 1 + rng.IntN(len(rest))
				sum = crcguard.Update(sum, rest[:n])
				combined = crcguard.Combine(combined, crcguard.Checksum(rest[:n]), int64(n))
				rest = rest[n:]
			}
			if want := crc32.Checksum(p, table); sum != want || combined != want {
				t.Fatalf("%d bytes: updates %#x, combined %#x, want %#x", len(p), sum, combined, want)
			}
		}
	})
}
