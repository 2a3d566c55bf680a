package watch

import (
	"fmt"

	"stablepages/bench/record"
)

// MostBlocks is the limit of Options.MaxBlocks. It bounds the time of a completion, which
// is often in an interrupt.
const MostBlocks = 256

// Options say which writes are watched. The zero value is every direct write of every
// program.
type Options struct {
	PID       int      // only this process, and those that it starts from now on; 0: all
	Children  bool     // only the processes that this process starts from now on
	Comm      string   // only programs with this name, as ps(1) shows it, at most 15 bytes
	Devices   []string // only writes to these devices, by their names in /dev, and to devices on top of them
	All       bool     // look at writes that are not direct, too
	Sample    int      // look at one write of so many, at random; 0: at each
	MaxBlocks int      // look at so many blocks of a write, from a random block on; 0: MostBlocks
	Stacks    bool     // keep the stack that submitted a changed write

	// OnChanged, if not nil, is called by a goroutine of the Watcher for the first changed
	// direct write of each program.
	OnChanged func(record.Watch)

	rows, inFlight uint32 // room for so many programs and writes; 0: 4096 and 8192
}

// Validate refuses options that make no sense, and sets defaults.
func (o *Options) Validate() error {
	if o.Sample == 0 {
		o.Sample = 1
	}
	if o.MaxBlocks == 0 {
		o.MaxBlocks = MostBlocks
	}
	switch {
	case o.PID < 0:
		return fmt.Errorf("PID %d: the number must be 1 or more", o.PID)
	case o.Sample < 0:
		return fmt.Errorf("a sample of one write of %d: the number must be 1 or more", o.Sample)
	case o.MaxBlocks < 0 || o.MaxBlocks > MostBlocks:
		return fmt.Errorf("%d blocks of a write: the number must be from 1 to %d", o.MaxBlocks, MostBlocks)
	case len(o.Comm) > 15:
		return fmt.Errorf("%q is longer than the 15 bytes that the kernel keeps of a name: use %q", o.Comm, o.Comm[:15])
	}
	return nil
}
