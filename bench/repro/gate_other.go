//go:build !linux

package repro

import (
	"errors"

	"stablepages/bench/mutator"
	"stablepages/stablewrite"
)

type gate struct {
	stablewrite.Device
	made   int
	broken error
}

func (*gate) begin() {}

func newGate(Config, bool, stablewrite.Geometry, *mutator.Mutator) (*gate, error) {
	return nil, errors.ErrUnsupported
}
