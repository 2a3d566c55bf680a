package victim

import "stablepages/bench/scratch"

// The controls are file systems that keep no checksums of data. The sizes of their blocks
// and sectors suit the devices below: dm-integrity has sectors of 4 KiB.
var (
	ext4 = Victim{
		Name: "ext4", About: "control: keeps no checksums of data", fileSystem: "ext4", mounted: inPlace,
		Disks: []int64{64 << 20}, Mkfs: []string{"mkfs.ext4", "-q", "-F", "-b", "4096"}, Package: "e2fsprogs",
	}
	xfs = Victim{
		Name: "xfs", About: "control: keeps no checksums of data", fileSystem: "xfs", mounted: inPlace,
		Modules: []string{"xfs"}, Disks: []int64{320 << 20}, // mkfs.xfs makes none below 300 MiB
		Mkfs: []string{"mkfs.xfs", "-q", "-f", "-s", "size=4096"}, Package: "xfsprogs",
	}
)

// inPlace prepares the Stage of a file system that overwrites data in their place, so
// that the legs of a mirror below can be compared. The file system may change its other
// writes in flight, so mismatch_cnt says nothing about the file.
func inPlace(s *Stage) {
	if s.Legs != nil {
		s.extents = scratch.Extents(s.Target)
		s.Mismatches = nil
	}
}
