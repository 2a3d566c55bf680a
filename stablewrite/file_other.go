//go:build !linux

package stablewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Direct I/O is Linux's here; NewDevice works everywhere.

func openFile(name string, _ int, _ fs.FileMode, _ Options) (*File, error) {
	return nil, fmt.Errorf("stablewrite: open %s: direct I/O: %w", name, errors.ErrUnsupported)
}

func reopenFile(f *os.File, _ Options) (*File, error) {
	return nil, fmt.Errorf("stablewrite: open %s: direct I/O: %w", f.Name(), errors.ErrUnsupported)
}
