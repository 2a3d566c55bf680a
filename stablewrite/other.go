//go:build !linux

package stablewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Direct I/O, rings and huge pages are Linux's here; NewDevice works everywhere.

func openFile(_ string, _ int, _ fs.FileMode, _ Options) (*File, error) {
	return nil, fmt.Errorf("direct I/O: %w", errors.ErrUnsupported)
}

func reopenFile(_ *os.File, _ Options) (*File, error) {
	return nil, fmt.Errorf("direct I/O: %w", errors.ErrUnsupported)
}

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

func mapMemory(n int) (mem []byte, ok bool) { return AlignedBuffer(n), true }
func unmapMemory([]byte)                    {}
func adviseHuge([]byte)                     {}
func hugeBytes(...[]byte) int               { return -1 }
