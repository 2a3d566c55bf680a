package victim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// btrfs keeps a CRC-32C of every 4 KiB of data, taken from the caller's memory
// before it is submitted: what changed after that cannot be read again.
var btrfs = onDisk(Victim{
	Name: "btrfs", About: "checksums of data: what changed in flight reads as EIO", NeedsStablePages: true,
	Modules: btrfsModules, Disks: []int64{btrfsDisk}, Mkfs: mkfsBtrfs, Package: "btrfs-progs",
	Evidence:   []string{"csum failed", "checksum verify failed"},
	fileSystem: "btrfs", Crashed: "nologreplay",
	mount:   func(s *Stage, device string) error { return mountBtrfs(s, device, "") },
	onLayer: 320 << 20,
})

var btrfsNoSum = onDisk(Victim{
	Name: "btrfs-nodatasum", About: "control: btrfs without checksums of data",
	Modules: btrfsModules, Disks: []int64{btrfsDisk}, Mkfs: mkfsBtrfs, Package: "btrfs-progs",
	Evidence: []string{"csum failed", "checksum verify failed"},
	mount:    func(s *Stage, device string) error { return mountBtrfs(s, device, "nodatasum") },
})

// btrfsDisk has room for more writes than are made between two commits. Every
// write takes new room, and what it replaces is free only after a commit; where
// room is short btrfs stops in the middle of a write to make some.
const btrfsDisk = 512 << 20

var (
	mkfsBtrfs = []string{"mkfs.btrfs", "-q", "-f"}
	// Older ones ask for their checksum by the name of its algorithm, which the
	// dependencies of modules do not tell; newer ones have it built in.
	btrfsModules = []string{"?crypto-crc32c", "btrfs"}
)

func mountBtrfs(s *Stage, device, options string) error {
	if err := s.mountFile(device, "btrfs", options); err != nil {
		return err
	}
	s.Mismatches = since(corruptionErrors)
	// Of a mirror below neither tells of the last write: it never goes where the one
	// before it went, which leaves legs that differ behind.
	s.Legs = nil
	s.Fresh = func() error { return s.Target.Truncate(0) }
	return nil
}

// corruptionErrors reads the device statistics of the only btrfs there is
// (btrfs-device(8), stats): the checksums of blocks that did not match.
func corruptionErrors() (int, error) {
	names, err := filepath.Glob("/sys/fs/btrfs/*/devinfo/1/error_stats")
	if err != nil || len(names) != 1 {
		return 0, fmt.Errorf("device statistics of %d btrfs, want 1", len(names))
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		var n int
		if _, err := fmt.Sscanf(line, "corruption_errs %d", &n); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s does not count corruption_errs", names[0])
}
