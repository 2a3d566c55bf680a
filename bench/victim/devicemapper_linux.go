package victim

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The device mapper has the ioctls of include/uapi/linux/dm-ioctl.h, which dmsetup(8)
// uses, too. On little-endian machines a request is a header of 312 bytes, and then the
// targets of a table: here one.

// target says what all sectors of a device are mapped to.
type target struct {
	sectors      uint64
	kind, params string
}

const (
	dmHeader    = 312
	dmSpec      = 40
	dmRoom      = 16 << 10
	dmCreate    = 3
	dmRemove    = 4
	dmSuspend   = 6
	dmTableLoad = 9
	dmStatus    = 12
	dmMessage   = 14
	dmSuspended = 1 << 1  // DM_SUSPEND_FLAG
	dmSkipLock  = 1 << 10 // DM_SKIP_LOCKFS_FLAG
)

// mapDevice makes a device of the given name and returns its path.
func mapDevice(name string, t target) (string, error) {
	made, err := dm(dmCreate, name, 0, nil)
	if err != nil {
		return "", err
	}
	if _, err := dm(dmTableLoad, name, 0, &t); err != nil {
		return "", err
	}
	if _, err := dm(dmSuspend, name, 0, nil); err != nil { // without the flag it resumes
		return "", err
	}
	number := binary.LittleEndian.Uint64(made[40:])
	dev := fmt.Sprintf("/dev/dm-%d", unix.Minor(number))
	return dev, awaitDevice(dev)
}

// loadTable gives a device another table, from now on.
func loadTable(name string, t target) error {
	if _, err := dm(dmTableLoad, name, 0, &t); err != nil {
		return err
	}
	if _, err := dm(dmSuspend, name, dmSuspended|dmSkipLock, nil); err != nil {
		return err
	}
	_, err := dm(dmSuspend, name, 0, nil)
	return err
}

// deviceStatus returns the status of a device's target.
func deviceStatus(name string) (string, error) {
	b, err := dm(dmStatus, name, 0, nil)
	if err != nil {
		return "", err
	}
	start := binary.LittleEndian.Uint32(b[16:])
	return unix.ByteSliceToString(b[start+dmSpec:]), nil
}

// sendMessage sends a message to a device's target.
func sendMessage(name, text string) error {
	b := newRequest(name, 0)
	copy(b[dmHeader+8:], text) // after the sector, which is 0
	return call(dmMessage, b, text)
}

// unmapDevice removes a device.
func unmapDevice(name string) error {
	_, err := dm(dmRemove, name, 0, nil)
	return err
}

// dm performs a command, with a table of t unless it is nil, and returns the kernel's
// answer.
func dm(command uintptr, name string, flags uint32, t *target) ([]byte, error) {
	b := newRequest(name, flags)
	about := ""
	if t != nil {
		le := binary.LittleEndian
		le.PutUint32(b[20:], 1)
		b := b[dmHeader:]
		le.PutUint64(b[8:], t.sectors)
		le.PutUint32(b[20:], uint32(dmSpec+len(t.params)+1+7)&^7)
		copy(b[24:39], t.kind)
		copy(b[dmSpec:], t.params)
		about = t.kind + " " + t.params
	}
	return b, call(command, b, about)
}

// newRequest begins a request that has room for what follows it.
func newRequest(name string, flags uint32) []byte {
	b := make([]byte, dmRoom)
	le := binary.LittleEndian
	le.PutUint32(b[0:], 4) // the version of the interface
	le.PutUint32(b[12:], dmRoom)
	le.PutUint32(b[16:], dmHeader)
	le.PutUint32(b[28:], flags)
	copy(b[48:48+127], name)
	return b
}

// call gives the kernel a request, which its answer replaces.
func call(command uintptr, b []byte, about string) error {
	ctl, err := unix.Open("/dev/mapper/control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/mapper/control: %w", err)
	}
	defer unix.Close(ctl)
	const direction, group = 3 << 30, 0xfd << 8 // _IOWR(DM_IOCTL, command, struct dm_ioctl)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(ctl), direction|dmHeader<<16|group|command, uintptr(unsafe.Pointer(&b[0])))
	if errno != 0 {
		return fmt.Errorf("device mapper, command %d, %s: %w", command, about, errno)
	}
	return nil
}
