package victim

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// integrity is dm-integrity of a mode. It keeps a tag of every block, taken from the
// caller's memory, and in modes D (direct) and B (bitmap) then writes from that memory.
// In mode J it copies data into its journal first: a control.
func integrity(mode string) func(bytes int64) Victim {
	about := map[string]string{
		"D": "checksums below the file system, no journal: what changed in flight cannot be read",
		"B": "the same with a bitmap",
		"J": "control: dm-integrity with a journal copies",
	}
	return func(bytes int64) Victim {
		return Victim{
			Name: "dm-integrity-" + mode, About: about[mode], NeedsStablePages: mode != "J", Alike: mode == "B",
			Modules: append(crc32c(), "dm_integrity"),
			// A quarter more than the device always has room for its tags and journal.
			Disks: []int64{max(bytes+bytes/4, 128<<20)},
			// After a crash dm-integrity computes new tags for all that its bitmap says is
			// dirty (dm-integrity.rst, "bitmap mode"): torn data gets a tag that fits.
			NoCrash:  mode == "B",
			Evidence: []string{"Checksum failed", "device-mapper: integrity"},
			make: func(s *Stage, disks []string) (string, error) {
				s.Mismatches = since(integrityMismatches)
				// Documentation/admin-guide/device-mapper/dm-integrity.rst
				table := fmt.Sprintf("%s 0 4 %s 2 internal_hash:crc32c block_size:4096", disks[0], mode)
				return mapDevice("integrity", target{uint64(bytes) / 512, "integrity", table})
			},
		}
	}
}

// integrityMismatches counts the blocks whose tag did not match: the first field of the
// device's status.
func integrityMismatches() (int, error) {
	status, err := dm(unix.DM_TABLE_STATUS, "integrity", nil)
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(unix.ByteSliceToString(status.data[unix.SizeofDmTargetSpec:]), " ")
	return strconv.Atoi(first)
}
