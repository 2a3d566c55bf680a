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

// HowWritten says how a write is made: whose pages its bios hold, at the highest
// device that they come to. write is called once, with 64 KiB of memory that
// begins at a page and is gone afterwards. It must write all of it, as it came and
// to where its pages stay whole (with O_DIRECT they do), and sync what it wrote.
// Bios are told by what is in them, so it does not matter who submits them. Where
// none holds it (NFS, FUSE, tmpfs; compression, encryption by the file system) how
// it is written is unknown.
//
// An error of write is returned unchanged. Any other says why nothing can be watched
// here, as Start does, and write was not called.
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
	if err == nil {
		defer k.Close()
		err = k.attach("how_written")
	}
	if err != nil {
		return stablewrite.DirectUnknown, err
	}
	err = write(mem)
	if err := errors.Join(err, k.detach()); err != nil {
		return stablewrite.DirectUnknown, err
	}
	seen := map[record.Memory]uint64{}
	for i := range memories {
		var each []uint64
		if err := k.Maps["found"].Lookup(uint32(i), &each); err != nil {
			return stablewrite.DirectUnknown, err
		}
		for _, n := range each {
			seen[memories[i]] += n
		}
	}
	switch {
	case seen[record.Anonymous]+seen[record.Mapped]+seen[record.Shared] > 0:
		return stablewrite.DirectYes, nil
	case seen[record.PageCache]+seen[record.Metadata] > 0:
		return stablewrite.DirectNo, nil
	case seen[record.KernelOwn] > 0:
		return stablewrite.DirectBounced, nil
	}
	return stablewrite.DirectUnknown, nil
}

// writtenPages are enough for every logical block of a device.
const writtenPages = 16
