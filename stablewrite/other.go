//go:build !linux

package stablewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// This package has direct I/O, rings, huge pages and tracking on Linux only. NewDevice
// works everywhere.

var errDirect = fmt.Errorf("direct I/O: %w", errors.ErrUnsupported)

func openFile(string, int, fs.FileMode, Options) (*File, error) { return nil, errDirect }
func reopenFile(*os.File, Options) (*File, error)               { return nil, errDirect }

type driver struct{}

func newDriver(int, bool) *driver { return nil }
func (*driver) submit(*op) bool   { return false }
func (*driver) busy() bool        { return false }
func (*driver) claim() bool       { return false }
func (*driver) drive()            {}
func (*driver) stir()             {}
func (*driver) look()             {}
func (*driver) close() error      { return nil }
func borrowRing() *driver         { return nil }
func returnRing(*driver)          {}
func hurry()                      {}
func patient()                    {}

type iovecs struct{}

func (*iovecs) forget() {}

type userfault struct{ pageTable }

func openPageTable() (*userfault, error) {
	return nil, fmt.Errorf("%w: only Linux tracks writes to pages; choose ByDigest, or the strategy bounce", errors.ErrUnsupported)
}

func (*userfault) register([]byte) error { return errors.ErrUnsupported }
func (*userfault) unregister(pageRun)    {}

func mapMemory(n int) (mem []byte, ok bool) { return AlignedBuffer(n), true }
func unmapMemory([]byte)                    {}
func adviseHuge([]byte)                     {}
func hugeBytes(...[]byte) int               { return -1 }
