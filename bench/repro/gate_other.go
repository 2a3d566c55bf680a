//go:build !linux

package repro

import (
	"errors"
	"os"

	"stablepages/stablewrite"
)

type gate struct {
	stablewrite.Device
	made int
}

func newGate(*os.File, bool, stablewrite.Geometry, func() (bool, error)) (*gate, error) {
	return nil, errors.ErrUnsupported
}

func again(*os.File, int, bool) (*os.File, error) { return nil, errors.ErrUnsupported }
