package victim

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// request is the argument of an ioctl of the device mapper, include/uapi/linux/dm-ioctl.h,
// and its answer.
type request struct {
	unix.DmIoctl
	data [16 << 10]byte
}

// target says what all sectors of a device are mapped to.
type target struct {
	sectors      uint64
	kind, params string
}

// table returns a table of t alone.
func (t target) table() []byte {
	const size = int(unsafe.Sizeof(unix.DmTargetSpec{}))
	spec := unix.DmTargetSpec{Length: t.sectors, Next: uint32(size+len(t.params)+8) &^ 7}
	copy(spec.Target_type[:], t.kind)
	b, err := binary.Append(nil, binary.NativeEndian, spec)
	if err != nil {
		panic(err) // it has a fixed size
	}
	return append(b, t.params...)
}

// mapDevice makes a device of the given name and returns its path.
func mapDevice(name string, t target) (string, error) {
	made, err := dm(unix.DM_DEV_CREATE, name, 0, nil)
	if err != nil {
		return "", err
	}
	if _, err := dm(unix.DM_TABLE_LOAD, name, 0, t.table()); err != nil {
		return "", fmt.Errorf("%s %s: %w", t.kind, t.params, err)
	}
	if _, err := dm(unix.DM_DEV_SUSPEND, name, 0, nil); err != nil { // without the flag it resumes
		return "", err
	}
	dev := fmt.Sprintf("/dev/dm-%d", unix.Minor(made.Dev))
	return dev, awaitDevice(dev)
}

// loadTable gives a device another table, from now on.
func loadTable(name string, t target) error {
	if _, err := dm(unix.DM_TABLE_LOAD, name, 0, t.table()); err != nil {
		return fmt.Errorf("%s %s: %w", t.kind, t.params, err)
	}
	if _, err := dm(unix.DM_DEV_SUSPEND, name, unix.DM_SUSPEND_FLAG|unix.DM_SKIP_LOCKFS_FLAG, nil); err != nil {
		return err
	}
	_, err := dm(unix.DM_DEV_SUSPEND, name, 0, nil)
	return err
}

// deviceStatus returns the status of a device's target.
func deviceStatus(name string) (string, error) {
	r, err := dm(unix.DM_TABLE_STATUS, name, 0, nil)
	if err != nil {
		return "", err
	}
	return unix.ByteSliceToString(r.data[unsafe.Sizeof(unix.DmTargetSpec{}):]), nil
}

// sendMessage sends a message to a device's target.
func sendMessage(name, text string) error {
	sector := make([]byte, 8)
	_, err := dm(unix.DM_TARGET_MSG, name, 0, append(sector, text...))
	return err
}

// unmapDevice removes a device.
func unmapDevice(name string) error {
	_, err := dm(unix.DM_DEV_REMOVE, name, 0, nil)
	return err
}

// dm performs a command on a device. data is a table of one target, or a message.
func dm(command uintptr, name string, flags uint32, data []byte) (*request, error) {
	const head, size = uint32(unsafe.Sizeof(unix.DmIoctl{})), uint32(unsafe.Sizeof(request{}))
	r := &request{DmIoctl: unix.DmIoctl{Version: [3]uint32{4}, Data_size: size, Data_start: head, Flags: flags}}
	if command == unix.DM_TABLE_LOAD {
		r.Target_count = 1
	}
	copy(r.Name[:], name)
	copy(r.data[:], data)
	ctl, err := unix.Open("/dev/mapper/control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/mapper/control: %w", err)
	}
	defer unix.Close(ctl)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(ctl), command, uintptr(unsafe.Pointer(r))); errno != 0 {
		return nil, fmt.Errorf("device mapper, command %#x of %s: %w", command, name, errno)
	}
	return r, nil
}
