//go:build !linux

package scratch

import (
	"errors"
	"os"
)

func lock(*os.File) error { return nil }

func nameless(string) (*os.File, error) { return nil, errors.ErrUnsupported }
