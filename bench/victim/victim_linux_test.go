package victim

import (
	"strings"
	"testing"
)

func TestTheTableOfVictims(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range All() {
		if v.Name == "" || v.About == "" || v.make == nil && v.fileSystem == "" || v.fileSystem != "" && v.mounted == nil || seen[v.Name] {
			t.Errorf("%+v lacks something, or is there twice", v)
		}
		seen[v.Name] = true
		if v.NeedsStablePages == strings.HasPrefix(v.About, "control: ") {
			t.Errorf("%s: is it a control or not?", v.Name)
		}
		if len(v.Mkfs)+len(v.Commands) > 0 != (v.Package != "") || len(v.Mkfs) > 0 && len(v.Disks) == 0 {
			t.Errorf("%s: a file system needs a disk, and a command its package", v.Name)
		}
		if again, err := Named(v.Name); err != nil || again.Name != v.Name {
			t.Errorf("Named(%s) = %s, %v", v.Name, again.Name, err)
		}
	}
	if _, err := Named("zfs"); err == nil || !strings.Contains(err.Error(), "md-raid1") {
		t.Error(err)
	}
}

func TestSpeaksPicksTheLinesOfTheVictim(t *testing.T) {
	log := []string{"eth0: up", "BTRFS warning (device vda): csum failed root 5", "random: crng init done"}
	if got := btrfs.Speaks(log); len(got) != 1 || got[0] != log[1] {
		t.Errorf("%q", got)
	}
}

func TestSinceCountsWhatWasAdded(t *testing.T) {
	total := 0
	added := since(func() (int, error) { return total, nil })
	for _, step := range []int{3, 0, 4} {
		total += step
		if n, err := added(); n != step || err != nil {
			t.Errorf("%d, %v, want %d", n, err, step)
		}
	}
}
