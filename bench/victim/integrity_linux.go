package victim

import (
	"fmt"
	"strconv"
	"strings"
)

// dm-integrity keeps a tag of every block, taken from the caller's memory, which
// in modes D and B is then written as it is. Mode J copies data into its journal
// first: a control.
var (
	integrityDirect  = integrity("dm-integrity-D", "D", "checksums below the file system, no journal: what changed in flight cannot be read", true)
	integrityBitmap  = integrity("dm-integrity-B", "B", "the same with a bitmap", true)
	integrityJournal = integrity("dm-integrity-J", "J", "control: dm-integrity with a journal copies", false)
)

// A device of half the disk's size always fits, beside its tags and journal.
const (
	integrityDisk    = 128 << 20
	integritySectors = 64 << 20 / 512
)

func integrity(name, mode, about string, needs bool) Victim {
	return Victim{
		Name: name, About: about, NeedsStablePages: needs,
		// After a crash it computes anew the tags of what its bitmap has for dirty
		// (dm-integrity.rst, "bitmap mode"): torn data is given a tag that fits.
		NoCrash: mode == "B",
		Modules: []string{"?crypto-crc32c", "dm_integrity"}, Disks: []int64{integrityDisk},
		Evidence: []string{"Checksum failed", "device-mapper: integrity"},
		setUp: func(s *Stage) error {
			if err := awaitDevice(s.disks[0]); err != nil {
				return err
			}
			// Documentation/admin-guide/device-mapper/dm-integrity.rst
			table := fmt.Sprintf("%s 0 4 %s 2 internal_hash:crc32c block_size:4096", s.disks[0], mode)
			dev, err := mapDevice("integrity", target{0, integritySectors, "integrity", table})
			if err != nil {
				return err
			}
			s.Mismatches = since(integrityMismatches)
			return s.open(dev)
		},
	}
}

// integrityMismatches reads the first field of the status, blocks whose tag did
// not match.
func integrityMismatches() (int, error) {
	status, err := deviceStatus("integrity")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(status, " ")
	return strconv.Atoi(first)
}
