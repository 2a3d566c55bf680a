package crcguard_test

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"math/rand/v2"
	"testing"

	"stablepages/crcguard"
)

// selfSum makes page end in its own CRC-32C, as pages of databases do.
func selfSum(page []byte) {
	end := len(page) - 4
	binary.LittleEndian.PutUint32(page[end:], crc32.Checksum(page[:end], table))
}

// The second hole of the 2011 proposal, and what closes it.
func TestOnlyTheDigestSeesChangesOfSelfSummedPages(t *testing.T) {
	everyKernel(t, func(t *testing.T) {
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
	})
}

// Ten million changes, half of them of pages that carry their own CRC-32C.
func TestDigestsDifferWhereBytesDiffer(t *testing.T) {
	changes := 10_000_000 / thin()
	everyKernel(t, func(t *testing.T) {
		rng := newRand()
		p := random(rng, crcguard.BlockSize)
		missed, missedBySum := 0, 0
		was := sumAndDigest(p)
		for i := range changes {
			summed := i%2 == 0
			alter(rng, p, summed)
			is := sumAndDigest(p)
			if is.digest == was.digest {
				missed++
			}
			if summed && i%4 == 0 { // before and after, the page is valid: its sum has to be the same
				before := is
				alter(rng, p, true)
				if is = sumAndDigest(p); is.digest == before.digest {
					missed++
				}
				if is.sum == before.sum {
					missedBySum++
				}
			}
			was = is
		}
		if missed != 0 {
			t.Errorf("of %d changes the digest missed %d", changes, missed)
		}
		if missedBySum < changes/4 {
			t.Errorf("of %d changes of self-summed pages CRC-32C missed only %d: the pages are not what they are to be", changes/4, missedBySum)
		}
	})
}

type summary struct {
	sum    uint32
	digest [2]uint64
}

func sumAndDigest(p []byte) (s summary) {
	s.sum, s.digest = crcguard.Digest(p)
	return s
}

// alter changes p: a bit, a byte, a word, or a run of bytes; and then lets it end in
// its own CRC-32C, if summed.
func alter(rng *rand.Rand, p []byte, summed bool) {
	end := len(p)
	if summed {
		end -= 4
	}
	x := rng.Uint64()
	at := int(x>>8) % (end - 64)
	switch x % 4 {
	case 0:
		p[at] ^= 1 << (x >> 40 % 8)
	case 1:
		p[at] += byte(x>>40) | 1
	case 2:
		binary.LittleEndian.PutUint64(p[at:], binary.LittleEndian.Uint64(p[at:])^(rng.Uint64()|1))
	case 3:
		for i := range 1 + x>>40%64 {
			p[at+int(i)] ^= byte(x>>50) | 1
		}
	}
	if summed {
		selfSum(p)
	}
}

// A digest is a linear function of the bytes, but for a constant: what a change does
// to it depends on the change alone. So all changes within a word can be tried by
// trying its bits: none is missed if what the bits do is independent.
func TestNoChangeWithinAWordIsMissed(t *testing.T) {
	everyKernel(t, func(t *testing.T) {
		p := make([]byte, crcguard.BlockSize)
		none := sumAndDigest(p).digest
		all := basis{}
		for word := 0; word < len(p); word += 8 {
			one := basis{}
			for bit := range 64 {
				binary.LittleEndian.PutUint64(p[word:], 1<<bit)
				d := sumAndDigest(p).digest
				d[0], d[1] = d[0]^none[0], d[1]^none[1]
				if !one.add(d) {
					t.Fatalf("some change of the eight bytes at %d, bit %d among them, does not change the digest", word, bit)
				}
				all.add(d)
			}
			clear(p[word : word+8])
		}
		t.Logf("digests take on 2^%d values", all.rank())
	})
}

// basis is a set of independent digests, by their highest bit.
type basis [128][2]uint64

// add reports whether d is independent of what was added before.
func (b *basis) add(d [2]uint64) bool {
	for d != [2]uint64{} {
		high := bits.Len64(d[0]) - 1
		if d[1] != 0 {
			high = 64 + bits.Len64(d[1]) - 1
		}
		if b[high] == [2]uint64{} {
			b[high] = d
			return true
		}
		d[0], d[1] = d[0]^b[high][0], d[1]^b[high][1]
	}
	return false
}

func (b *basis) rank() (n int) {
	for _, d := range b {
		if d != [2]uint64{} {
			n++
		}
	}
	return n
}
