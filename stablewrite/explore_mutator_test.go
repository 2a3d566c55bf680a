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

// family is a kind of page contents.
type family int

const (
	arbitrary  family = iota
	selfSummed        // every page ends in its own CRC-32C, so all have one CRC-32C
	families
)

func (f family) String() string { return [...]string{"arbitrary", "self-summed"}[f] }

// Contents of a block are numbered in the order in which it first has them. first is its
// content when the write begins; old is the content of the media.
const (
	first    = 0
	old      = maxSteps + 1
	versions = old + 1
)

// half is the grain in which a device lands a short write. Each half of a page begins
// with a number that no other half of any page has, which identifies its bytes.
const half = kib4 / 2

// name identifies the bytes of a block: it has the numbers that the halves begin with.
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

// version returns the content that a half belongs to, by the number that it begins with.
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

// program lists the steps of a mutator: for each block its contents, in order. The walk
// decides the order of steps on different blocks.
type program [][]int

// steps counts the steps of p.
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

// programs returns all programs of 1 to steps steps. Contents are canonical: a step gives a
// block a content that it had before, or the next new one, which stands for all others.
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

// sequences returns all sequences of n steps on one block.
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
