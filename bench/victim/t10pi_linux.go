package victim

import (
	"errors"
	"fmt"
)

// debugSysfs has the settings of scsi_debug, of modinfo(8) scsi_debug.
const debugSysfs = "/sys/bus/pseudo/drivers/scsi_debug/"

// t10PI is a SCSI disk with protection information: the block layer computes a guard tag
// from the caller's memory, and the disk refuses data that do not match the tag. The disk
// is that of scsi_debug, in memory. It finds most changes during the write, and the others
// during a read.
func t10PI(bytes int64) Victim {
	return Victim{
		Name: "t10-pi", About: "guard tags: what changed in flight is refused with EILSEQ, or fails when read", NeedsStablePages: true,
		Modules: []string{"sd_mod", fmt.Sprintf("scsi_debug dif=1 dix=1 dev_size_mb=%d", bytes>>20)},
		NoCrash: true, Injects: true, blank: true, // in memory
		Evidence: []string{"guard", "GUARD", "protection"},
		make: func(s *Stage, _ []string) (string, error) {
			s.Fail = func(fail bool) error {
				nth, options := "0", "0"
				if fail { // every command ends as if its guard tag had not matched
					nth, options = "1", "0x20"
				}
				return errors.Join(write(debugSysfs+"every_nth", nth), write(debugSysfs+"opts", options))
			}
			return "/dev/sda", awaitDevice("/dev/sda")
		},
	}
}
