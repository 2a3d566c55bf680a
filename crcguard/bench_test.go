package crcguard_test

import (
	"fmt"
	"hash/crc32"
	"testing"

	klauspost "github.com/klauspost/crc32"

	"stablepages/crcguard"
)

// coldBytes is the length of cold memory: more than any cache holds.
const coldBytes = 1 << 30

// operations lists those of the package, and of others to compare with.
// CRCGUARD_KERNEL selects the kernel.
var operations = []struct {
	name string
	do   func(b *bench)
}{
	{"hash-crc32", func(b *bench) { crc32.Checksum(b.src, table) }},
	{"klauspost", func(b *bench) { klauspost.Checksum(b.src, klauspostTable) }},
	{"Checksum", func(b *bench) { crcguard.Checksum(b.src) }},
	{"ChecksumBlocks", func(b *bench) { crcguard.ChecksumBlocks(b.src, b.sums) }},
	{"Arm", func(b *bench) { b.guard.Arm(b.src) }},
	{"ArmAndAppendChanged", func(b *bench) { b.guard.Arm(b.src); b.changed = b.guard.AppendChanged(b.changed[:0], b.src) }},
	{"copy", func(b *bench) { copy(b.dst, b.src) }},
	{"copy+hash-crc32", func(b *bench) { crc32.Checksum(b.dst[:copy(b.dst, b.src)], table) }},
	{"Copy", func(b *bench) { crcguard.Copy(b.dst, b.src) }},
	{"CopyBlocks", func(b *bench) { crcguard.CopyBlocks(b.dst, b.src, b.sums) }},
	{"CopyCold", func(b *bench) { crcguard.CopyCold(b.dst, b.src) }},
	{"CopyBlocksColdAt", func(b *bench) { crcguard.CopyBlocksColdAt(b.dst, b.src, 0, b.sums) }},
}

var klauspostTable = klauspost.MakeTable(klauspost.Castagnoli)

// bench has the memory that an operation works on.
type bench struct {
	src, dst []byte
	sums     []uint32
	guard    crcguard.Guard
	changed  []crcguard.Extent
}

func BenchmarkHot(b *testing.B) { benchmark(b, 16<<20) }

// The destination of a cold copy is one buffer, as that of a writer is.
func BenchmarkCold(b *testing.B) { benchmark(b, coldBytes) }

// benchmark lets every operation walk through memory, in steps of several sizes. If the
// memory is not cold, it is as long as a step.
func benchmark(b *testing.B, memory int) {
	b.Logf("kernel %s", crcguard.Kernel())
	all := make([]byte, memory)
	for i := range all {
		all[i] = byte(i)
	}
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20, 16 << 20} {
		ring := all
		if memory < coldBytes {
			ring = all[:size]
		}
		for _, op := range operations {
			b.Run(fmt.Sprintf("%s/%dk", op.name, size>>10), func(b *testing.B) {
				w := bench{dst: aligned(size, 64), sums: make([]uint32, crcguard.Blocks(size))}
				at := 0
				b.SetBytes(int64(size))
				for b.Loop() {
					w.src = ring[at : at+size]
					op.do(&w)
					if at += size; at == len(ring) {
						at = 0
					}
				}
			})
		}
	}
}
