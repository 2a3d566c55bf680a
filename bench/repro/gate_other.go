//go:build !linux

package repro

import (
	"errors"
	"os"

	"stablepages/stablewrite"
)

type gate struct {
	stablewrite.Device
	made   int
	broken error
}

func (*gate) begin() {}

func newGate(*os.File, bool, stablewrite.Geometry, []byte, func() (bool, error)) (*gate, error) {
	return nil, errors.ErrUnsupported
}
