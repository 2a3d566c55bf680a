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
	// Files are files of this machine that the guest has, too, by the names that they
	// have there. Programs among them come with their libraries.
	Files   map[string]string
	Modules []string        // "name param=value ...", "?name" if optional: loaded before the job, with what they need
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

// What a machine has. A guest is up after about 4 s emulated.
const (
	memoryMiB  = 1024
	processors = 2
)

// limits are Up and Silence with their defaults.
func (m Machine) limits() (up, silence time.Duration) {
	up, silence = 2*time.Minute, 2*time.Minute
	if m.Accel == KVM {
		up = 30 * time.Second
	}
	if m.Up > 0 {
		up = m.Up
	}
	if m.Silence > 0 {
		silence = m.Silence
	}
	return up, silence
}

// ErrCaller wraps what the function that was given to Run returned.
var ErrCaller = errors.New("what a machine said was not taken")

// ErrQEMU: the machine could not be made.
var ErrQEMU = errors.New("QEMU")

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

// ErrNotUp: nothing was done yet. An emulated kernel panics now and then while it
// boots.
var ErrNotUp = errors.New("the machine ended before the guest came up")

// ErrCut is what Run returns after the guest asked for a power cut.
var ErrCut = errors.New("the power of the machine was cut, as it asked")
