package victim

import "fmt"

// flakey is a control of the errors of writers when the device below fails: dm-flakey
// passes everything on, or makes writes fail.
var flakey = Victim{
	Name: "dm-flakey", About: "control: a plain device whose writes can be made to fail",
	Modules: []string{"dm_flakey"}, Disks: []int64{layerBytes}, Injects: true,
	Evidence: []string{"device-mapper: flakey"},
	make: func(s *Stage, disks []string) (string, error) {
		// Documentation/admin-guide/device-mapper/dm-flakey.rst: seconds up, seconds
		// down. Without a second up the device is always down, and vice versa.
		table := func(times string) target {
			return target{layerBytes / 512, "flakey", fmt.Sprintf("%s 0 %s 1 error_writes", disks[0], times)}
		}
		tables := map[bool]target{false: table("1 0"), true: table("0 1")}
		s.Fail = func(fail bool) error { return loadTable("flakey", tables[fail]) }
		return mapDevice("flakey", tables[false])
	},
}
