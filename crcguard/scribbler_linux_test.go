package crcguard_test

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

const scribblerEnv = "CRCGUARD_TEST_SCRIBBLER"

// scribbler is the other process. It ends when its parent does.
func scribbler() error {
	mem, err := unix.Mmap(3, 0, movingBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	var stop atomic.Bool
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop.Store(true)
	}()
	scribble(mem, stop.Load)
	return nil
}

func TestMain(m *testing.M) {
	if os.Getenv(scribblerEnv) == "" {
		os.Exit(m.Run())
	}
	if err := scribbler(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
