package watch

import (
	"os"

	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

// HowFileIsWritten finds out, by HowWritten, how direct writes to target are made. It
// overwrites the first 64 KiB.
func HowFileIsWritten(target *os.File) (stablewrite.Directness, error) {
	return HowWritten(func(p []byte) error {
		f, err := scratch.Reopen(target, os.O_RDWR, true)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.WriteAt(p, 0); err != nil {
			return err
		}
		return scratch.DataSync(f)
	})
}
