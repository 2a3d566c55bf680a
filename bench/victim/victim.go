package victim

import (
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"

	"stablepages/bench/scratch"
)

// Victim is a layer, or a control.
type Victim struct {
	Name  string
	About string
	// NeedsStablePages: after a change in flight, data may be refused, unreadable, or not
	// the same on every leg. This never happens with a control, even if a receipt is wrong.
	NeedsStablePages bool
	Modules          []string // kernel modules, "name param=value ...", "?name" if the kernel may lack it
	Disks            []int64  // bytes of each
	Mkfs             []string // the command that makes the file system on the first disk; the disk's name follows
	Commands         []string // that set it up in the machine, which has them from here
	Package          string   // the Debian package of these
	NoCrash          bool     // a power cut shows nothing: the media are gone, or mended
	Injects          bool     // Stage.Fail makes writes fail
	Stacked          bool     // a file system on another victim
	Alike            bool     // it fails as another victim does: fewer mutators tell as much
	// Crashed has mount options that make the file system readable in the state in which
	// a crash left it, and write nothing; "" if it needs no options.
	Crashed  string
	Evidence []string // the lines of the kernel's log about it have one of these

	// make makes the device from the disks and gives the Stage its oracles; nil: the
	// device is the only disk.
	make func(s *Stage, disks []string) (device string, err error)

	fileSystem string       // its type, "" of a device
	options    string       // of mount(8)
	mounted    func(*Stage) // gives the Stage of a file system its oracles
	onLayer    int64        // bytes of a device below it, if not those of its disk
	blank      bool         // a device that reads as zeros where nothing was written
}

// Stage is a victim that was set up.
type Stage struct {
	Target    *os.File // the file or device to race on
	Directory string   // that Target is in; "" if it is a device
	// Legs, if not nil, compares each leg of a mirror with the block sums of a receipt.
	// It counts blocks that differ from the receipt on any leg, and blocks that are not
	// the same on every leg.
	Legs func(sums []uint32) (torn, differ int, err error)
	// Mismatches, if not nil, counts faults that the victim itself found since the last
	// call, in a unit of the victim. A mirror counts what differs now.
	Mismatches func() (int, error)
	// Fresh, if not nil, removes the traces of earlier writes from the target.
	Fresh func() error
	// Below are the media under a mirror, in order.
	Below []*os.File
	// Fail, if the victim Injects, makes writes below fail from now on, or succeed again.
	Fail func(bool) error

	// extents lists where the target lies on each leg of a mirror. A file system that it is
	// on overwrites data in their place.
	extents iter.Seq2[scratch.Extent, error]
}

// Speaks returns the lines of the kernel's log that are about v.
func (v Victim) Speaks(log []string) (found []string) {
	for _, line := range log {
		if slices.ContainsFunc(v.Evidence, func(part string) bool { return strings.Contains(line, part) }) {
			found = append(found, line)
		}
	}
	return found
}

// Named returns the Victim of a name.
func Named(name string) (Victim, error) {
	var names []string
	for _, v := range All() {
		if v.Name == name {
			return v, nil
		}
		names = append(names, v.Name)
	}
	return Victim{}, fmt.Errorf("unknown victim %q: there are %s", name, strings.Join(names, ", "))
}
