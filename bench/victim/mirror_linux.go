package victim

import (
	"fmt"
	"math"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"stablepages/bench/scratch"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// mirror gives s the oracle Legs of a mirror on disks. Reading the mirror itself would
// read one of them.
func (s *Stage) mirror(disks []string) error {
	for _, disk := range disks {
		leg, err := os.OpenFile(disk, os.O_RDONLY|unix.O_DIRECT, 0)
		if err != nil {
			return err
		}
		s.Below = append(s.Below, leg)
	}
	s.extents = func(yield func(scratch.Extent, error) bool) { yield(scratch.Extent{Length: math.MaxInt64}, nil) }
	var buf []byte
	s.Legs = func(want []uint32) (torn, differ int, err error) {
		if n := len(want) * crcguard.BlockSize; len(buf) != n {
			buf = stablewrite.AlignedBuffer(n)
		}
		got := make([][]uint32, len(s.Below))
		for i, leg := range s.Below {
			if got[i], err = s.legSums(leg, buf); err != nil {
				return 0, 0, fmt.Errorf("read leg %s: %w", leg.Name(), err)
			}
		}
		for block, sum := range want {
			if slices.ContainsFunc(got, func(leg []uint32) bool { return leg[block] != sum }) {
				torn++
			}
			if slices.ContainsFunc(got, func(leg []uint32) bool { return leg[block] != got[0][block] }) {
				differ++
			}
		}
		return torn, differ, nil
	}
	return nil
}

// legSums reads the begin of the target from a leg into buf and returns its block sums.
func (s *Stage) legSums(leg *os.File, buf []byte) ([]uint32, error) {
	at, bytes := int64(0), int64(len(buf))
	for e, err := range s.extents {
		if err != nil {
			return nil, err
		}
		if at == bytes || e.Logical > at {
			break
		}
		part := buf[at:min(e.Logical+e.Length, bytes)]
		if _, err := leg.ReadAt(part, e.Physical+at-e.Logical); err != nil {
			return nil, err
		}
		at += int64(len(part))
	}
	if at < bytes {
		return nil, fmt.Errorf("%s has %d bytes on its device, not %d", s.Target.Name(), at, bytes)
	}
	sums := make([]uint32, crcguard.Blocks(len(buf)))
	crcguard.ChecksumBlocks(buf, sums)
	return sums, nil
}
