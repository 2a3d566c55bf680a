package victim

import (
	"fmt"
	"os"
	"strings"
)

// Victim is a layer, or a control.
type Victim struct {
	Name  string
	About string
	// NeedsStablePages: what is on its media after a change in flight is
	// refused, unreadable, or not the same on every leg. Of a control that is
	// never so, whatever the receipts say.
	NeedsStablePages bool
	Modules          []string // kernel modules, "name param=value ...", "?name" if the kernel may lack it
	Disks            []int64  // bytes of each
	Mkfs             []string // makes the file system on the first disk: a command and its arguments, the disk's name to follow
	Commands         []string // that set it up in the machine, which has them from here
	Package          string   // the Debian package of these
	NoCrash          bool     // its media after a power cut tell nothing of it: they are gone, or mended
	Injects          bool     // Stage.Fail makes writes fail
	Stacked          bool     // a file system on another victim
	Alike            bool     // it fails as another victim does: fewer mutators tell as much
	// Crashed are mount options by which a file system can be read as a crash
	// left it, with nothing written; "" if there are none.
	Crashed  string
	Evidence []string // lines of the kernel's log that have one of these speak of it

	fileSystem string // its type, if it is one that Crashed is for
	setUp      func(*Stage) error
	mount      func(s *Stage, device string) error // of a file system
	onLayer    int64                               // bytes of a device that it is stacked on; 0: as its disk has
}

// Stage is a victim that was set up.
type Stage struct {
	Target    *os.File // what is raced on
	Directory string   // that Target is in; "" if it is a device
	// Legs, if not nil, compares each leg of a mirror with the block sums of a
	// receipt: how many blocks of any leg are not what it says, and how many are not
	// the same on every leg.
	Legs func(sums []uint32) (torn, differ int, err error)
	// Mismatches, if not nil, is what the victim itself says is wrong, in a unit of
	// its own: what it met since it was last asked; a mirror, what differs now.
	Mismatches func() (int, error)
	// Fresh, if not nil, rids the target of what earlier writes made of it.
	Fresh func() error
	// Below are the media under a mirror, in order.
	Below []*os.File

	// Fail, where the victim Injects, makes writes below fail from now on, or
	// succeed again.
	Fail func(bool) error

	disks []string
	// where says where the first bytes of the target lie on the media below it.
	where func(bytes int64) ([]extent, error)
}

// extent is where part of a file lies on its device, in bytes.
type extent struct{ off, bytes int64 }

// SetUp makes the victim of its disks, which are as Mkfs left them, or as a
// power cut did.
func (v Victim) SetUp(disks []string) (*Stage, error) {
	s := &Stage{disks: disks}
	if err := v.setUp(s); err != nil {
		return nil, fmt.Errorf("set up %s: %w", v.Name, err)
	}
	return s, nil
}

// Speaks picks the lines of the kernel's log that speak of v.
func (v Victim) Speaks(log []string) (found []string) {
	for _, line := range log {
		for _, part := range v.Evidence {
			if strings.Contains(line, part) {
				found = append(found, line)
				break
			}
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
