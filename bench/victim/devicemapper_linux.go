package victim

import (
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
	spec := unix.DmTargetSpec{Length: t.sectors, Next: uint32(unix.SizeofDmTargetSpec+len(t.params)+8) &^ 7}
	copy(spec.Target_type[:], t.kind)
	return append((*[unix.SizeofDmTargetSpec]byte)(unsafe.Pointer(&spec))[:], t.params...)
}

// mapDevice makes a device of the given name and returns its path.
func mapDevice(name string, t target) (string, error) {
	made, err := dm(unix.DM_DEV_CREATE, name, nil)
	if err != nil {
		return "", err
	}
	if err := loadTable(name, t); err != nil {
		return "", err
	}
	dev := fmt.Sprintf("/dev/dm-%d", unix.Minor(made.Dev))
	return dev, awaitDevice(dev)
}

// loadTable gives a device a table, from now on.
func loadTable(name string, t target) error {
	if _, err := dm(unix.DM_TABLE_LOAD, name, t.table()); err != nil {
		return fmt.Errorf("%s %s: %w", t.kind, t.params, err)
	}
	_, err := dm(unix.DM_DEV_SUSPEND, name, nil) // without the flag it resumes, with the new table
	return err
}

// dm performs a command on a device. data is a table of one target, or a message behind
// the sector that it is for.
func dm(command uintptr, name string, data []byte) (*request, error) {
	r := &request{DmIoctl: unix.DmIoctl{
		Version: [3]uint32{4}, Data_size: uint32(unsafe.Sizeof(request{})), Data_start: unix.SizeofDmIoctl,
		Flags: unix.DM_SKIP_LOCKFS_FLAG, // of another table: nothing is mounted
	}}
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
