package stablewrite_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// image writes all of src to the start of a file or a block device. It returns the
// number of bytes, their sum, and the sum of each 4 KiB of them. With these sums a
// program can tell later which blocks have changed since.
func image(dst *stablewrite.File, src io.Reader) (n int64, sum uint32, blocks []uint32, err error) {
	s := dst.StreamAt(0)
	s.BlockSums = func(_ int64, sums []uint32) { blocks = append(blocks, sums...) }
	n, err = s.ReadFrom(src)
	if closed := s.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = dst.Sync()
	}
	return n, s.Sum(), blocks, err
}

// An imager on Stream: any length, no byte beyond it touched.
func ExampleFile_StreamAt() {
	dir, err := os.MkdirTemp("", "imager-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f, err := stablewrite.Create(filepath.Join(dir, "image"), stablewrite.Options{Strategy: stablewrite.Bounce})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	n, sum, blocks, err := image(f, strings.NewReader(strings.Repeat("a disk's bytes ", 1000)))
	if err != nil {
		log.Fatal(err)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, len(got), len(blocks), crcguard.Checksum(got) == sum)
	// Output: 15000 15000 4 true
}
