package watch

import (
	"path/filepath"
	"testing"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
)

// Of a file system on two devices, a mount names one.
func TestLayersOfEachDevice(t *testing.T) {
	t.Parallel()
	const bytes = 256 << 20
	for profile, fs := range map[string]string{"raid0": "btrfs", "raid1": "btrfs raid1"} {
		t.Run(profile, func(t *testing.T) {
			other := testenv.LoopDevice(t, bytes)
			v := testenv.NewVolume(t, bytes, "", "mkfs.btrfs", "-q", "-d", profile, other)
			for _, name := range []string{v.Dev, other} {
				dev, _ := blockDevice(name)
				all := layersOf(dev)
				if len(all) < 3 || all[0] != (record.Layer{Name: fs}) || all[1] != (record.Layer{Name: "loop", Device: filepath.Base(name)}) {
					t.Errorf("%s: %+v", name, all)
				}
			}
		})
	}
}
