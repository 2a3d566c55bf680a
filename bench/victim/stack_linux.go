package victim

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// stacks are file systems on each of the devices that need stable pages. Whether
// they are closed is for the kernel: since 7.0 some bounce there.
func stacks() (all []Victim) {
	for _, fs := range []Victim{xfs, ext4, btrfs} {
		for _, l := range []layer{t10PI, integrityDirect, md} {
			all = append(all, stack(fs, l))
		}
	}
	return all
}

// stack puts a file system on a device. The file system is made on a disk, the
// first one, whose content is then copied to the device: of those there are none
// before the machine has booted, and on some nothing can be read that was never
// written.
func stack(fs Victim, l layer) Victim {
	bytes := fs.Disks[0]
	if fs.onLayer > 0 {
		bytes = fs.onLayer
	}
	return Victim{
		Name: fs.Name + "-on-" + l.name, About: fmt.Sprintf("%s on %s", fs.Name, l.name), NeedsStablePages: true,
		Modules: slices.Concat(l.modules(bytes), fs.Modules), Disks: append([]int64{bytes}, l.disks(bytes)...),
		Mkfs: fs.Mkfs, Package: fs.Package, NoCrash: true, Stacked: true,
		Evidence: slices.Concat(fs.Evidence, l.evidence),
		setUp: func(s *Stage) error {
			device, err := l.make(s, s.disks[1:], bytes)
			if err != nil {
				return err
			}
			if err := copyDisk(device, s.disks[0], bytes, l.blank); err != nil {
				return err
			}
			return fs.mount(s, device)
		},
	}
}

// copyDisk copies so many bytes of a disk to a device; zeros only if it is not blank.
func copyDisk(to, from string, bytes int64, blank bool) error {
	if err := awaitDevice(from); err != nil {
		return err
	}
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
