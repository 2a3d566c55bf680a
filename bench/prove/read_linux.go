package prove

import (
	"os"

	"stablepages/bench/repro"
	"stablepages/bench/scratch"
)

// readBlocks is [repro.ReadBlocks] on a descriptor of target that has O_DIRECT.
func readBlocks(target *os.File, off, n int64, each func(p []byte, at int64) error) error {
	f, err := scratch.Reopen(target, os.O_RDONLY, true)
	if err != nil {
		return err
	}
	defer f.Close()
	return repro.ReadBlocks(f, off, n, each)
}
