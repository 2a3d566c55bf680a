package repro

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// oracle reads back what is on the media, through its own descriptor, past the
// page cache, into memory that nobody else knows.
type oracle struct {
	f    *os.File
	buf  []byte
	sums []uint32
}

func newOracle(target *os.File, size int) (*oracle, error) {
	f, err := again(target, os.O_RDONLY, true)
	if err != nil {
		return nil, fmt.Errorf("the oracle reads directly: %w", err)
	}
	return &oracle{f: f, buf: stablewrite.AlignedBuffer(size), sums: make([]uint32, crcguard.Blocks(size))}, nil
}

// judge holds the media against the block sums of a receipt. A read that fails
// is torn; an error is one that no race causes.
func (o *oracle) judge(want []uint32) (torn, readErr bool, err error) {
	n, err := o.f.ReadAt(o.buf, 0)
	switch {
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EILSEQ):
		return true, true, nil
	case errors.Is(err, io.EOF):
		return false, false, fmt.Errorf("the file ends after %d of %d bytes that were written: somebody else writes to it", n, len(o.buf))
	case err != nil:
		return false, false, err
	}
	crcguard.ChecksumBlocks(o.buf, o.sums)
	return !slices.Equal(o.sums, want), false, nil
}
