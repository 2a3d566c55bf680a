//go:build !linux

package scratch

import (
	"errors"
	"os"
)

func lock(*os.File) (bool, error) { return false, nil }

func writable(f *os.File) error { return HasMedia(f) }

func nameless(string) (*os.File, error) { return nil, errors.ErrUnsupported }

const directFlag = 0

// DataSync is Sync.
func DataSync(f *os.File) error { return f.Sync() }
