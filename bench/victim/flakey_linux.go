package victim

import "fmt"

// dm-flakey passes everything on, or has writes fail, as it is told: a control
// of what the writer says when the device below does.
var flakey = Victim{
	Name: "dm-flakey", About: "control: a plain device whose writes can be made to fail",
	Modules: []string{"dm_flakey"}, Disks: []int64{64 << 20}, Injects: true,
	Evidence: []string{"device-mapper: flakey"},
	setUp: func(s *Stage) error {
		if err := awaitDevice(s.disks[0]); err != nil {
			return err
		}
		// Documentation/admin-guide/device-mapper/dm-flakey.rst: seconds up, seconds
		// down. With none up it is always down, and the other way round.
		table := func(up, down int) target {
			return target{0, 64 << 20 / 512, "flakey", fmt.Sprintf("%s 0 %d %d 1 error_writes", s.disks[0], up, down)}
		}
		dev, err := mapDevice("flakey", table(1, 0))
		if err != nil {
			return err
		}
		s.Fail = func(fail bool) error {
			if fail {
				return loadTable("flakey", table(0, 1))
			}
			return loadTable("flakey", table(1, 0))
		}
		return s.open(dev)
	},
}
