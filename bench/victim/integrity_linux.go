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
	integrityDirect  = integrity("dm-integrity-D", "D", "checksums below the file system, no journal: what changed in flight cannot be read")
	integrityBitmap  = alike(integrity("dm-integrity-B", "B", "the same with a bitmap").victim())
	integrityJournal = control(integrity("dm-integrity-J", "J", "control: dm-integrity with a journal copies").victim())
)

func alike(v Victim) Victim {
	v.Alike = true
	return v
}

func control(v Victim) Victim {
	v.NeedsStablePages = false
	return v
}

func integrity(name, mode, about string) layer {
	return layer{
		name: name, about: about,
		modules: always("?crypto-crc32c", "dm_integrity"),
		// A quarter more than the device always has room for its tags and journal.
		disks: func(bytes int64) []int64 { return []int64{max(bytes+bytes/4, 128<<20)} },
		// After a crash it computes anew the tags of what its bitmap has for dirty
		// (dm-integrity.rst, "bitmap mode"): torn data is given a tag that fits.
		noCrash:  mode == "B",
		evidence: []string{"Checksum failed", "device-mapper: integrity"},
		make: func(s *Stage, disks []string, bytes int64) (string, error) {
			if err := awaitDevice(disks[0]); err != nil {
				return "", err
			}
			// Documentation/admin-guide/device-mapper/dm-integrity.rst
			table := fmt.Sprintf("%s 0 4 %s 2 internal_hash:crc32c block_size:4096", disks[0], mode)
			dev, err := mapDevice("integrity", target{0, uint64(bytes) / 512, "integrity", table})
			s.Mismatches = since(integrityMismatches)
			return dev, err
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
