//go:build amd64

package watch

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

// fio writes directly to a file in dir, or to dir if it is a device, and returns how
// many writes it made.
func fio(t *testing.T, dir string, args ...string) (writes int64) {
	t.Helper()
	writes, _ = fioAs(t, dir, args...)
	return writes
}

// fioAs is fio, and returns the PID, too.
func fioAs(t *testing.T, dir string, args ...string) (writes int64, pid int) {
	t.Helper()
	name := dir
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		name = filepath.Join(dir, "fio")
	}
	cmd := exec.Command("fio", append([]string{"--name=w", "--filename=" + name, "--rw=randwrite", "--direct=1", "--size=64m", "--io_size=1t", "--output-format=json"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("fio %v: %v: %s", args, err, out)
	}
	var said struct {
		Jobs []struct {
			Write struct {
				Total int64 `json:"total_ios"`
			}
		}
	}
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, j := range said.Jobs {
		writes += j.Write.Total
	}
	return writes, cmd.Process.Pid
}

// sizes are parts of a page, whole pages, and writes that the kernel splits.
const sizes = "--bssplit=512/25:1536/5:4k/40:64k/15:1m/10:2m/5"

// fioWays lists arguments of fio under which no buffer changes in flight.
var fioWays = map[string][]string{
	"psync":                       {"--ioengine=psync", sizes},
	"libaio":                      {"--ioengine=libaio", "--iodepth=32", sizes},
	"io_uring":                    {"--ioengine=io_uring", "--iodepth=32", sizes},
	"io_uring, registered memory": {"--ioengine=io_uring", "--iodepth=16", "--fixedbufs=1", "--registerfiles=1", sizes},
	"io_uring, a thread polls":    {"--ioengine=io_uring", "--iodepth=16", "--sqthread_poll=1", sizes},
	"vectors of pieces":           {"--ioengine=pvsync2", "--bs=64k"},
	"huge pages":                  {"--ioengine=libaio", "--iodepth=4", "--iomem=mmaphuge", "--bs=2m"},
	"shared memory":               {"--ioengine=libaio", "--iodepth=8", "--iomem=mmapshared", "--bs=256k"},
	"not aligned to pages":        {"--ioengine=libaio", "--iodepth=8", "--iomem_align=512", sizes},
}

func TestWritesOfFioAreNotSeenToChange(t *testing.T) {
	testenv.Tool(t, "fio")
	hugePages(t)
	places := []struct{ what, where string }{{"file", testenv.DirectDir(t)}, {"loop device", testenv.LoopDevice(t, 64<<20)}}
	fio(t, places[0].where, "--create_only=1") // the ways share the file
	w := start(t, Options{})
	t.Run("ways", func(t *testing.T) { // waits for all
		for _, on := range places {
			for name, args := range fioWays {
				t.Run(on.what+", "+name, func(t *testing.T) {
					t.Parallel()
					// With threads, all writes are those of fio's own process.
					made, pid := fioAs(t, on.where, append(args, "--number_ios=100", "--thread")...)
					seen, changed := sum(of(records(t, w), pid))
					if seen < made-1-made/100 || changed != 0 {
						t.Errorf("of %d writes %d were seen, and %d to change", made, seen, changed)
					}
				})
			}
		}
	})
	stop(t, w)
}

// sum adds up the direct writes, and how many changed.
func sum(all []record.Watch) (writes, changed int64) {
	for _, r := range all {
		if r.Direct == stablewrite.DirectYes {
			writes += r.Writes
			changed += r.Changed
		}
	}
	return writes, changed
}

// A million direct writes, none of which changes; without STABLEPAGES_LOAD a moment of
// that.
func TestLoad(t *testing.T) {
	testenv.Tool(t, "fio")
	want := int64(1e4)
	if os.Getenv("STABLEPAGES_LOAD") != "" {
		want = 1e6
	}
	dir := testenv.DirectDir(t)
	w := start(t, Options{})
	made := int64(0)
	for made < want {
		made += fio(t, dir, "--ioengine=io_uring", "--iodepth=32", "--bssplit=512/10:4k/80:64k/9:1m/1", fmt.Sprintf("--number_ios=%d", min(want, 250_000)))
	}
	all := stop(t, w)
	if seen, changed := sum(all); seen+all[0].Untraced < made || changed != 0 {
		t.Errorf("of %d writes %d were seen, and %d to change", made, seen, changed)
	}
	t.Logf("%d writes in %.1f s", made, all[0].Seconds)
}

// Every write is counted at tens of thousands a second, from two processors, be it
// looked at or passed over.
func TestManyWritesASecond(t *testing.T) {
	testenv.Tool(t, "fio")
	dev := zram(t)
	for _, sample := range []int{1, 16} {
		w := start(t, Options{Sample: sample})
		made := fio(t, dev, "--ioengine=psync", "--bs=4k", "--numjobs=2", "--thread", "--zero_buffers", "--number_ios=20000")
		all := stop(t, w)
		seen, _ := sum(all)
		if seen > made || sample == 1 && seen+all[0].Untraced < made || all[0].Bios+all[0].Untraced < made {
			t.Errorf("of %d writes %d were seen and %d looked at", made, all[0].Bios, seen)
		}
		t.Logf("%d writes in %.1f s", made, all[0].Seconds)
	}
}
