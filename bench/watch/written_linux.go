//go:build amd64

package watch

import (
	"crypto/rand"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// HowWritten finds out how a write is made, by whose pages its bios hold at the highest
// device. It calls write once, with 64 KiB of page-aligned memory, which it unmaps
// afterwards. write must write all of the memory unchanged, to an offset that keeps pages
// whole (with O_DIRECT all do), and sync. HowWritten recognizes bios by their content, so
// any thread may submit them. Its result is unknown if no bio has the content (NFS, FUSE,
// tmpfs; compression or encryption by the file system).
//
// HowWritten returns an error of write unchanged. Any other error says, as those of Start,
// why nothing can be watched here; then write was not called.
func HowWritten(write func(p []byte) error) (stablewrite.Directness, error) {
	mem, err := unix.Mmap(-1, 0, writtenPages*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return stablewrite.DirectUnknown, err
	}
	defer unix.Munmap(mem)
	rand.Read(mem)
	var mark [3]uint64
	for i := range mark {
		mark[i] = binary.NativeEndian.Uint64(mem[8*i:])
	}
	for at := pageSize; at < len(mem); at += pageSize {
		copy(mem[at:], mem[:8*len(mark)])
	}
	k, err := load(map[string]any{"mark": mark}, nil, "how_written")
	if err != nil {
		return stablewrite.DirectUnknown, err
	}
	defer k.Close()
	if err := k.attach("how_written"); err != nil {
		return stablewrite.DirectUnknown, err
	}
	if err := errors.Join(write(mem), k.detach()); err != nil {
		return stablewrite.DirectUnknown, err
	}
	seen := map[stablewrite.Directness]uint64{}
	for i, memory := range memories {
		var each []uint64 // by processor
		if err := k.Maps["found"].Lookup(uint32(i), &each); err != nil {
			return stablewrite.DirectUnknown, err
		}
		how := memory.Directness()
		if memory == record.KernelOwn { // it holds the content of mem, so it is a copy
			how = stablewrite.DirectBounced
		}
		for _, n := range each {
			seen[how] += n
		}
	}
	for _, how := range []stablewrite.Directness{stablewrite.DirectYes, stablewrite.DirectNo, stablewrite.DirectBounced} {
		if seen[how] > 0 {
			return how, nil
		}
	}
	return stablewrite.DirectUnknown, nil
}

// writtenPages are enough for a logical block of any device.
const writtenPages = 16
