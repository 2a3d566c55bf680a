//go:build !linux

package stablewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Direct I/O is Linux's here; NewDevice works everywhere.

func openFile(_ string, _ int, _ fs.FileMode, _ Options) (*File, error) {
	return nil, fmt.Errorf("direct I/O: %w", errors.ErrUnsupported)
}

func reopenFile(_ *os.File, _ Options) (*File, error) {
	return nil, fmt.Errorf("direct I/O: %w", errors.ErrUnsupported)
}
