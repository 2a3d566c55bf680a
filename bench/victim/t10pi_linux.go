package victim

import "errors"

// debugSysfs has the settings of scsi_debug, of modinfo(8) scsi_debug.
const debugSysfs = "/sys/bus/pseudo/drivers/scsi_debug/"

// t10PI is a SCSI disk with protection information: the block layer computes a
// guard tag over the caller's memory, and the disk refuses data that do not
// match theirs. The disk is scsi_debug's, in memory; it finds most changes when
// it is written, and those that it lets through when it is read.
var t10PI = Victim{
	Name: "t10-pi", About: "guard tags: what changed in flight is refused with EILSEQ, or fails when read", NeedsStablePages: true,
	Modules: []string{"sd_mod", "scsi_debug dif=1 dix=1 dev_size_mb=64"},
	NoCrash: true, Injects: true, // in memory
	Evidence: []string{"guard", "GUARD", "protection"},
	setUp: func(s *Stage) error {
		if err := awaitDevice("/dev/sda"); err != nil {
			return err
		}
		s.Fail = func(fail bool) error {
			nth, options := "0", "0"
			// Every command then ends as if its guard tag had not matched.
			if fail {
				nth, options = "1", "0x20"
			}
			return errors.Join(write(debugSysfs+"every_nth", nth), write(debugSysfs+"opts", options))
		}
		return s.open("/dev/sda")
	},
}
