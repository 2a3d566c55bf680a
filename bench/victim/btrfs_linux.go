package victim

import (
	"fmt"
	"path/filepath"
	"strings"
)

// btrfs keeps a CRC-32C of every 4 KiB of data, taken from the caller's memory before
// submission. If the data changes after that, it cannot be read.
var btrfs = Victim{
	Name: "btrfs", About: "checksums of data: what changed in flight reads as EIO", NeedsStablePages: true,
	Modules: append(crc32c(), "btrfs"), Disks: []int64{btrfsDisk}, Mkfs: []string{"mkfs.btrfs", "-q", "-f"}, Package: "btrfs-progs",
	Evidence: []string{"csum failed", "checksum verify failed"}, Crashed: "rescue=nologreplay",
	fileSystem: "btrfs", mounted: countCorruption, onLayer: 320 << 20,
}

// btrfsNoSum is a control.
func btrfsNoSum() Victim {
	v := btrfs
	v.Name, v.About = "btrfs-nodatasum", "control: btrfs without checksums of data"
	v.NeedsStablePages, v.Crashed, v.options, v.onLayer = false, "", "nodatasum", 0
	return v
}

// btrfsDisk has room for more writes than are made between two commits. Every write takes
// new room, and the room of the old data is free only after a commit. If room is short,
// btrfs stops in the middle of a write to make some.
const btrfsDisk = 512 << 20

// crc32c are modules with the checksum of btrfs and dm-integrity. These ask for it by the
// name of the algorithm, which the dependencies of modules do not tell. The module was
// renamed in Linux 6.16; a kernel that has it built in needs none.
func crc32c() []string { return []string{"?crc32c_generic", "?crc32c_cryptoapi"} }

// countCorruption prepares the Stage of btrfs. The legs of a mirror below do not show the
// last write: each goes to a new place, and legs that differ stay behind.
func countCorruption(s *Stage) {
	s.Mismatches, s.Legs = since(corruptionErrors), nil
	s.Fresh = func() error { return s.Target.Truncate(0) }
}

// corruptionErrors counts the blocks whose checksum did not match, in the device
// statistics of the only btrfs there is (btrfs-device(8), stats).
func corruptionErrors() (int, error) {
	names, err := filepath.Glob("/sys/fs/btrfs/*/devinfo/1/error_stats")
	if err != nil || len(names) != 1 {
		return 0, fmt.Errorf("device statistics of %d btrfs, want 1", len(names))
	}
	stats, err := read(names[0])
	if err != nil {
		return 0, err
	}
	var n int
	_, rest, _ := strings.Cut(stats, "corruption_errs ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		return 0, fmt.Errorf("%s does not count corruption_errs: %w", names[0], err)
	}
	return n, nil
}
