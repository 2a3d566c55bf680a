package prove

import (
	"errors"
	"os"
	"syscall"

	"stablepages/bench/scratch"
	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// readBlocks reads n bytes of target from off on, directly and block by block. It calls
// each with every block and its offset; with nil if a layer below refuses to return it.
func readBlocks(target *os.File, off, n int64, each func(p []byte, at int64) error) error {
	f, err := scratch.Reopen(target, os.O_RDONLY, true)
	if err != nil {
		return err
	}
	defer f.Close()
	block := stablewrite.AlignedBuffer(crcguard.BlockSize)
	for at := off; at < off+n && err == nil; at += crcguard.BlockSize {
		p := block
		if _, err = f.ReadAt(p, at); errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EILSEQ) {
			p, err = nil, nil
		}
		if err == nil {
			err = each(p, at)
		}
	}
	return err
}
