package stablewrite

import (
	"encoding/binary"
	"slices"
	"sync"

	"stablepages/crcguard"
)

// The explored mutators are all that take at most so many steps. A step sets one
// block to one content.
const (
	maxSteps  = 3
	maxBlocks = 4
)

// family is what pages look like.
type family int

const (
	arbitrary  family = iota
	selfSummed        // every page ends in its own CRC-32C, so all have one CRC-32C
	families
)

func (f family) String() string { return [...]string{"arbitrary", "self-summed"}[f] }

// Contents of a block are numbered in the order in which it first has them. The
// first is what it has when the write begins; old is what the media have.
const (
	first    = 0
	old      = maxSteps + 1
	versions = old + 1
)

// half is the grain in which a device lands a short write. Each half of a page
// begins with a number that no other half of any page has, so its bytes can be
// told by that.
const half = kib4 / 2

// name tells the bytes of a block: what its halves begin with.
type name [2]uint64

func nameOf(block []byte) name {
	return name{binary.LittleEndian.Uint64(block), binary.LittleEndian.Uint64(block[half:])}
}

func makeName(fam family, block, version int) (n name) {
	for h := range n {
		n[h] = uint64(1 + h + 2*(version+versions*(block+maxBlocks*int(fam))))
	}
	return n
}

// version is that of which a half is, by its name.
func version(half uint64) int { return int((half - 1) / 2 % versions) }

// pages holds all contents of all blocks.
var pages = sync.OnceValue(func() *[families][maxBlocks][versions][]byte {
	var all [families][maxBlocks][versions][]byte
	state := uint64(1)
	for fam := range families {
		for block := range maxBlocks {
			for version := range versions {
				p := make([]byte, kib4)
				for i := 0; i < kib4; i += 8 {
					state = state*6364136223846793005 + 1442695040888963407
					binary.LittleEndian.PutUint64(p[i:], state^state>>29)
				}
				for h, begin := range makeName(fam, block, version) {
					binary.LittleEndian.PutUint64(p[h*half:], begin)
				}
				if fam == selfSummed {
					binary.LittleEndian.PutUint32(p[kib4-4:], crcguard.Checksum(p[:kib4-4]))
				}
				all[fam][block][version] = p
			}
		}
	}
	return &all
})

// program is what a mutator does: for each block the contents that it takes, in
// order. Between steps on different blocks it has no order: that is for the
// walk to decide.
type program [][]int

// steps is how many steps p takes.
func (p program) steps() (n int) {
	for _, steps := range p {
		n += len(steps)
	}
	return n
}

// restores reports whether a block returns to a content that it had before.
func (p program) restores() bool {
	for _, steps := range p {
		for i, version := range steps {
			if version == first || slices.Contains(steps[:i], version) {
				return true
			}
		}
	}
	return false
}

// programs are all programs of 1 to steps steps. Contents are canonical: a step
// takes the block to any that it had before, or to the next new one, which
// stands for all that it never had.
func programs(blocks, steps int) (all []program) {
	var extend func(program, int)
	extend = func(p program, left int) {
		if len(p) == blocks {
			if left < steps {
				all = append(all, slices.Clone(p))
			}
			return
		}
		for n := range left + 1 {
			for _, contents := range sequences(n) {
				extend(append(p[:len(p):len(p)], contents), left-n)
			}
		}
	}
	extend(nil, steps)
	return all
}

// sequences are all sequences of n steps on one block.
func sequences(n int) [][]int {
	all := [][]int{nil}
	for range n {
		var longer [][]int
		for _, s := range all {
			now, fresh := first, first+1
			if len(s) > 0 {
				now, fresh = s[len(s)-1], max(fresh, slices.Max(s)+1)
			}
			for next := first; next <= fresh; next++ {
				if next != now {
					longer = append(longer, append(s[:len(s):len(s)], next))
				}
			}
		}
		all = longer
	}
	return all
}
