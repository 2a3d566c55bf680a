package repro

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"stablepages/bench/scratch"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// oracle reads the media back through another descriptor, past the page cache, into
// private memory.
type oracle struct {
	f    *os.File
	off  int64
	buf  []byte
	sums []uint32
}

func newOracle(target *os.File, off int64, size int) (*oracle, error) {
	f, err := scratch.Reopen(target, os.O_RDWR, true)
	if err != nil {
		return nil, fmt.Errorf("opening the file for the oracle, with O_DIRECT: %w", err)
	}
	return &oracle{f: f, off: off, buf: stablewrite.AlignedBuffer(size), sums: make([]uint32, crcguard.Blocks(size))}, nil
}

// judge compares the media with the block sums of a receipt. If they cannot be read the
// write is torn, and readErr says why. No race causes err.
func (o *oracle) judge(want []uint32) (torn bool, readErr, err error) {
	n, err := o.f.ReadAt(o.buf, o.off)
	switch {
	case isMedia(err):
		return true, err, nil
	case errors.Is(err, io.EOF):
		return false, nil, fmt.Errorf("the file ends after %d of %d bytes that were written: another program writes to it", n, len(o.buf))
	case err != nil:
		return false, nil, err
	}
	crcguard.ChecksumBlocks(o.buf, o.sums)
	return !slices.Equal(o.sums, want), nil, nil
}

// selfTest writes and reads the same range with memory that nobody changes. If that
// fails, an earlier failure says nothing about the race.
func (o *oracle) selfTest() error {
	_, err := o.f.WriteAt(o.buf, o.off)
	if err == nil {
		_, err = o.f.ReadAt(o.buf, o.off)
	}
	return err
}

// isMedia reports whether err is an error of a layer that needs stable pages and did
// not get them.
func isMedia(err error) bool { return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EILSEQ) }
