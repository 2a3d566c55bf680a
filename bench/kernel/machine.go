package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// Machine is a virtual machine to be booted.
type Machine struct {
	Kernel  Kernel
	Accel   Accel
	Program string // run as init; it must call Guest
	// Files are files of this machine that the guest has, too: their names here by their
	// names there. Programs among them come with their libraries.
	Files   map[string]string
	Modules []string        // "name param=value ...", "?name" if optional: loaded before the job, after those that they need
	Disks   []*os.File      // virtio disks, /dev/vda, /dev/vdb, ...; written
	Job     json.RawMessage // handed to the guest
	// Up is how long the guest may take to say something, Silence how long it may
	// say nothing after that. Defaults: two minutes each; for Up under KVM half a
	// minute, because a KVM device may be there and hang every guest.
	Up, Silence time.Duration
}

// Accel is how the guest's processor is made.
type Accel string

const (
	Emulated Accel = "tcg"
	KVM      Accel = "kvm"
)

// The size of a machine. A guest is up after about 4 s emulated.
const (
	memoryMiB  = 1024
	processors = 2
)

// portName names the port in the guest. guestEnv tells it that it is a guest: the
// kernel hands this variable from its command line to init.
const (
	portName = "stablewrite"
	guestEnv = "STABLEWRITE_GUEST"
)

// message is a line that the guest says.
type message struct {
	Up     bool            `json:"up,omitempty"`     // it is up
	Say    json.RawMessage `json:"say,omitempty"`    // the job's
	Failed string          `json:"failed,omitempty"` // the job failed
	Cut    bool            `json:"cut,omitempty"`    // the job asks for a power cut
	Done   bool            `json:"done,omitempty"`   // the job is done
}

var (
	// ErrQEMU means that the machine could not be made.
	ErrQEMU = errors.New("QEMU")
	// ErrNotUp means that nothing was done yet. An emulated kernel panics or hangs now and
	// then while it boots: Linux 7.3 panicked in 7 of 194 boots under QEMU 7.2, by the int3
	// of a static branch that another processor had finished patching.
	ErrNotUp = errors.New("the guest did not come up")
	// ErrCut means that the power of the machine was cut, as the guest had asked.
	ErrCut = errors.New("the power of the machine was cut, as it asked")
)

// qemu is the command, and qemuPackage the Debian package that has it.
const (
	qemu        = "qemu-system-x86_64"
	qemuPackage = "qemu-system-x86"
)

// CheckQEMU reports whether machines can be made here.
func CheckQEMU() error {
	if runtime.GOARCH != "amd64" {
		return fmt.Errorf("%w: the machines run this program, and are x86-64: it must be built for amd64", ErrQEMU)
	}
	if _, err := exec.LookPath(qemu); err != nil {
		return fmt.Errorf("%w: %s is not there: apt-get install %s", ErrQEMU, qemu, qemuPackage)
	}
	return nil
}
