package stablewrite

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// held is what a process holds of what it must give back.
type held struct {
	goroutines  int
	descriptors []string // what they are open on
	mapped      []string // files, memfds, rings
	mappings    int      // of all kinds
	locks       int      // files whose ranges are locked
}

func nowHeld() (h held) {
	h.goroutines = runtime.NumGoroutine()
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		// The runtime makes these when it first needs them, and keeps them.
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && to != "anon_inode:[eventpoll]" && to != "anon_inode:[eventfd]" {
			h.descriptors = append(h.descriptors, to)
		}
	}
	table, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(table)) {
		h.mappings++
		if fields := strings.Fields(line); len(fields) > 5 && fields[5][0] != '[' {
			h.mapped = append(h.mapped, strings.Join(fields[5:], " "))
		}
	}
	fileLocks.mu.Lock()
	h.locks = len(fileLocks.byKey)
	fileLocks.mu.Unlock()
	return h
}

// moreMappings is how many mappings the Go heap and new threads' stacks may add.
// Whatever maps something for every File, let alone for every write, adds more.
const moreMappings = 64

// leftBehind says what is held now that was not. Goroutines that are about to end
// get the time.
func (before held) leftBehind() error {
	now := nowHeld()
	for i := 0; i < 1000 && now.goroutines > before.goroutines; i++ {
		time.Sleep(10 * time.Millisecond)
		now = nowHeld()
	}
	for _, kept := range []struct{ was, is []string }{{before.descriptors, now.descriptors}, {before.mapped, now.mapped}} {
		for _, name := range kept.is {
			if i := slices.Index(kept.was, name); i >= 0 {
				kept.was = slices.Delete(slices.Clone(kept.was), i, i+1)
			} else {
				return fmt.Errorf("left open or mapped: %s", name)
			}
		}
	}
	switch {
	case now.goroutines > before.goroutines:
		stacks := make([]byte, 1<<20)
		return fmt.Errorf("%d goroutines, before %d:\n%s", now.goroutines, before.goroutines, stacks[:runtime.Stack(stacks, true)])
	case now.locks != before.locks:
		return fmt.Errorf("ranges of %d files locked, before %d", now.locks, before.locks)
	case now.mappings > before.mappings+moreMappings:
		return fmt.Errorf("%d mappings, before %d", now.mappings, before.mappings)
	}
	return nil
}

// dup is fd once more, for a child.
func dup(fd int) (*os.File, error) {
	again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(again), "memfd"), nil
}
