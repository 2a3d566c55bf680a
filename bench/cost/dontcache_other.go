//go:build !linux

package cost

import (
	"errors"
	"os"

	"stablepages/stablewrite"
)

func openDontcache(*os.File) (stablewrite.Device, error) { return nil, errors.ErrUnsupported }

func takesDontcache(*os.File) bool { return false }
