package victim

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
)

// stacks are file systems on each of the devices that need stable pages. The kernel
// decides whether they are closed: since 7.0 some bounce there.
func stacks() (all []Victim) {
	for _, fs := range []Victim{xfs, ext4, btrfs} {
		for _, layer := range []func(int64) Victim{t10PI, integrity("D"), md} {
			all = append(all, stack(fs, layer))
		}
	}
	return all
}

// stack puts a file system on a layer. The device of the layer does not exist before the
// machine has booted, and some cannot read blocks that were never written. So the file system is
// made on a disk, the first one, whose content is then copied to the device.
func stack(fs Victim, layer func(bytes int64) Victim) Victim {
	bytes := cmp.Or(fs.onLayer, fs.Disks[0])
	l, v := layer(bytes), fs
	v.Name, v.About = fs.Name+"-on-"+l.Name, fmt.Sprintf("%s on %s", fs.Name, l.Name)
	v.NeedsStablePages, v.NoCrash, v.Stacked, v.Crashed = true, true, true, ""
	v.Modules, v.Evidence = slices.Concat(l.Modules, fs.Modules), slices.Concat(fs.Evidence, l.Evidence)
	v.Disks = append([]int64{bytes}, l.Disks...)
	v.make = func(s *Stage, disks []string) (string, error) {
		device, err := l.make(s, disks[1:])
		if err != nil {
			return "", err
		}
		return device, copyDisk(device, disks[0], bytes, l.blank)
	}
	return v
}

// copyDisk copies so many bytes of a disk to a device; zeros only if it is not blank.
func copyDisk(to, from string, bytes int64, blank bool) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	const step = 1 << 20
	buf, zeros := make([]byte, step), make([]byte, step)
	for at := int64(0); at < bytes && err == nil; at += step {
		if _, err = src.ReadAt(buf, at); err == nil && !(blank && slices.Equal(buf, zeros)) {
			_, err = dst.WriteAt(buf, at)
		}
	}
	return errors.Join(err, dst.Sync(), dst.Close())
}
