package crcguard_test

import (
	"encoding/binary"
	"hash/crc32"
	mathbits "math/bits"
	"math/rand/v2"
	"testing"

	"stablepages/crcguard"
)

// selfSum makes page end in its own CRC-32C, as pages of databases do.
func selfSum(page []byte) {
	end := len(page) - 4
	binary.LittleEndian.PutUint32(page[end:], crc32.Checksum(page[:end], table))
}

// The digest closes the second hole of the 2011 proposal.
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

// The digest of a kernel that folds is a linear function of the bytes, except for a
// constant. So the effect of a change depends on the change alone, and is the sum of the
// effects of its bits. If the bits act independently, no change is missed; otherwise one
// in 2^rank is.

func TestNoChangeWithinAWordIsMissed(t *testing.T) {
	foldingKernels(t, func(t *testing.T) {
		for at := 0; at+8 <= crcguard.BlockSize; at += 4 {
			if got := span(bits(at, at+8)).rank(); got != 64 {
				t.Fatalf("changes of the eight bytes at %d have rank %d: some are missed", at, got)
			}
		}
	})
}

// doc.go documents these ranks.
func TestDigestsHaveTheRankThatIsDocumented(t *testing.T) {
	foldingKernels(t, func(t *testing.T) {
		const size = crcguard.BlockSize
		for what, tc := range map[string]struct {
			changes []change
			rank    int
		}{
			"all":                                    {bits(0, size), 128},
			"all but the last tile":                  {bits(0, size-256), 95},
			"of a page that ends in its own CRC":     {selfSummed(size-4, bits(0, size-4)), 96},
			"of a page that begins with its own CRC": {selfSummed(0, bits(4, size-256)), 63},
		} {
			if got := span(tc.changes).rank(); got < tc.rank {
				t.Errorf("%s: rank %d, want %d at least", what, got, tc.rank)
			}
		}
	})
}

func foldingKernels(t *testing.T, test func(t *testing.T)) {
	everyKernel(t, func(t *testing.T) {
		if crcguard.Kernel() != "portable" { // whose digest is no linear function
			test(t)
		}
	})
}

// change has the effect of a change on the sum and on the digest.
type change struct {
	sum    uint32
	digest [2]uint64
}

// bits returns the changes of single bits from byte from to byte to.
func bits(from, to int) (all []change) {
	p := make([]byte, crcguard.BlockSize)
	none := sumAndDigest(p)
	for at := from; at < to; at++ {
		for bit := range 8 {
			p[at] = 1 << bit
			is := sumAndDigest(p)
			all = append(all, change{is.sum ^ none.sum, [2]uint64{is.digest[0] ^ none.digest[0], is.digest[1] ^ none.digest[1]}})
		}
		p[at] = 0
	}
	return all
}

// selfSummed lets each change also change the four bytes at, so that the sum of the
// whole block stays.
func selfSummed(at int, all []change) (corrected []change) {
	var by [32]change // reduced: by the highest bit of the sum
	for _, c := range bits(at, at+4) {
		for c.sum != 0 {
			high := mathbits.Len32(c.sum) - 1
			if by[high].sum == 0 {
				by[high] = c
				break
			}
			c = c.add(by[high])
		}
	}
	for _, c := range all {
		for c.sum != 0 {
			c = c.add(by[mathbits.Len32(c.sum)-1])
		}
		corrected = append(corrected, c)
	}
	return corrected
}

func (c change) add(d change) change {
	return change{c.sum ^ d.sum, [2]uint64{c.digest[0] ^ d.digest[0], c.digest[1] ^ d.digest[1]}}
}

func span(all []change) (b basis) {
	for _, c := range all {
		b.add(c.digest)
	}
	return b
}

// basis is a set of independent digests, by their highest bit.
type basis [128][2]uint64

// add adds d if it is independent of what was added before.
func (b *basis) add(d [2]uint64) {
	for d != [2]uint64{} {
		high := mathbits.Len64(d[0]) - 1
		if d[1] != 0 {
			high = 64 + mathbits.Len64(d[1]) - 1
		}
		if b[high] == [2]uint64{} {
			b[high] = d
			return
		}
		d[0], d[1] = d[0]^b[high][0], d[1]^b[high][1]
	}
}

func (b basis) rank() (n int) {
	for _, d := range b {
		if d != [2]uint64{} {
			n++
		}
	}
	return n
}
