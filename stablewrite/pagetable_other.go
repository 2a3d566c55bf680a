//go:build !linux

package stablewrite

import (
	"errors"
	"fmt"
)

type userfault struct{ pageTable }

func openPageTable() (*userfault, error) {
	return nil, fmt.Errorf("%w: page write-tracking is Linux's; choose ByDigest, or the strategy bounce", errors.ErrUnsupported)
}

func (*userfault) register([]byte) error { return errors.ErrUnsupported }
func (*userfault) unregister(pageRun)    {}
