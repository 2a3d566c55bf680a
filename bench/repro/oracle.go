package repro

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"stablepages/bench/aio"
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
	if !aio.Direct(f) {
		f.Close()
		return nil, errors.New("inconclusive: this file was opened with O_DIRECT and the descriptor no longer has it: is this program guarded by stablewrite run?")
	}
	return &oracle{f: f, off: off, buf: stablewrite.AlignedBuffer(size), sums: make([]uint32, crcguard.Blocks(size))}, nil
}

// judge compares the media with the block sums of a receipt. If the media cannot be read,
// the write is torn and readErr is the cause. err is an error that no race causes.
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

// selfTest writes and reads the same range with memory that nobody changes. If selfTest
// fails, the race is not the cause of earlier failures.
func (o *oracle) selfTest() error {
	_, err := o.f.WriteAt(o.buf, o.off)
	if err == nil {
		_, err = o.f.ReadAt(o.buf, o.off)
	}
	return err
}

// isMedia reports whether err is an error that a layer returns if pages were not stable.
func isMedia(err error) bool { return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EILSEQ) }
