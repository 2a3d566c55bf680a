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

// Oracle reads the media back through another descriptor, past the page cache, into
// private memory.
type Oracle struct {
	f    *os.File
	buf  []byte
	sums []uint32
}

// NewOracle makes an Oracle of writes of so many bytes to target. The caller closes it.
func NewOracle(target *os.File, size int) (*Oracle, error) {
	f, err := scratch.Reopen(target, os.O_RDWR, true)
	if err != nil {
		return nil, fmt.Errorf("opening the file for the oracle, with O_DIRECT: %w", err)
	}
	if !aio.Direct(f) {
		f.Close()
		return nil, errors.New("inconclusive: this file was opened with O_DIRECT and the descriptor no longer has it: is this program guarded by stablewrite run?")
	}
	return &Oracle{f: f, buf: stablewrite.AlignedBuffer(size), sums: make([]uint32, crcguard.Blocks(size))}, nil
}

// Judge compares the media at off with the block sums of a receipt. If the media cannot
// be read, the write is torn and readErr is the cause. err is an error that no race causes.
func (o *Oracle) Judge(off int64, want []uint32) (torn bool, readErr, err error) {
	n, err := o.f.ReadAt(o.buf, off)
	switch {
	case IsMedia(err):
		return true, err, nil
	case errors.Is(err, io.EOF):
		return false, nil, fmt.Errorf("the file ends after %d of %d bytes that were written: another program writes to it", n, len(o.buf))
	case err != nil:
		return false, nil, err
	}
	crcguard.ChecksumBlocks(o.buf, o.sums)
	return !slices.Equal(o.sums, want), nil, nil
}

// Close closes the descriptor of o.
func (o *Oracle) Close() error { return o.f.Close() }

// selfTest writes and reads the range at off with memory that nobody changes. If selfTest
// fails, the race is not the cause of earlier failures.
func (o *Oracle) selfTest(off int64) error {
	_, err := o.f.WriteAt(o.buf, off)
	if err == nil {
		_, err = o.f.ReadAt(o.buf, off)
	}
	return err
}

// ReadBlocks reads n bytes of f, which has O_DIRECT, from off on, in whole blocks. It calls
// each with every block and its offset; with nil if a layer below refuses to return it.
func ReadBlocks(f io.ReaderAt, off, n int64, each func(p []byte, at int64) error) (err error) {
	all := stablewrite.AlignedBuffer(int(n))
	_, failed := f.ReadAt(all, off) // then each block is read alone
	for at := off; at < off+n && err == nil; at += crcguard.BlockSize {
		p := all[at-off:][:crcguard.BlockSize]
		if failed != nil {
			_, err = f.ReadAt(p, at)
		}
		if IsMedia(err) {
			p = nil
		} else if err != nil {
			return fmt.Errorf("read the media at %d: %w", at, err)
		}
		err = each(p, at)
	}
	return err
}

// IsMedia reports whether err is an error that a layer returns if pages were not stable.
func IsMedia(err error) bool { return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EILSEQ) }
