package victim

import (
	"errors"
	"fmt"
)

// debugSysfs has the settings of scsi_debug, of modinfo(8) scsi_debug.
const debugSysfs = "/sys/bus/pseudo/drivers/scsi_debug/"

// t10PI is a SCSI disk with protection information: the block layer computes a
// guard tag over the caller's memory, and the disk refuses data that do not
// match theirs. The disk is scsi_debug's, in memory; it finds most changes when
// it is written, and those that it lets through when it is read.
var t10PI = layer{
	name: "t10-pi", about: "guard tags: what changed in flight is refused with EILSEQ, or fails when read",
	modules: func(bytes int64) []string {
		return []string{"sd_mod", fmt.Sprintf("scsi_debug dif=1 dix=1 dev_size_mb=%d", bytes>>20)}
	},
	disks:   always[int64](),
	noCrash: true, injects: true, blank: true, // in memory
	evidence: []string{"guard", "GUARD", "protection"},
	make: func(s *Stage, _ []string, _ int64) (string, error) {
		if err := awaitDevice("/dev/sda"); err != nil {
			return "", err
		}
		s.Fail = func(fail bool) error {
			nth, options := "0", "0"
			// Every command then ends as if its guard tag had not matched.
			if fail {
				nth, options = "1", "0x20"
			}
			return errors.Join(write(debugSysfs+"every_nth", nth), write(debugSysfs+"opts", options))
		}
		return "/dev/sda", nil
	},
}
