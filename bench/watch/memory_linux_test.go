//go:build amd64

package watch

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

func TestMemoryOfWrites(t *testing.T) {
	dir := testenv.DirectDir(t)
	w := start(t, Options{All: true})
	hugePages(t)
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, bytes.Repeat([]byte("source"), 20000), 0o600); err != nil {
		t.Fatal(err)
	}
	mapped := record.Mapped
	var pinned uint32
	if err := w.k.Variables["bio_page_pinned"].Get(&pinned); err != nil {
		t.Fatal(err)
	}
	if pinned == 0 { // before Linux 6.5
		mapped = record.PageCache
	}
	cases := []struct {
		writer
		want record.Memory
	}{
		{writer{}, record.Anonymous},
		{writer{Offset: 512}, record.Anonymous},
		{writer{From: "shared"}, record.Shared},
		{writer{From: "huge"}, record.Anonymous},
		{writer{From: "mapped " + filepath.Join(dir, "mapped")}, mapped},
		{writer{Send: source}, record.PageCache},
		{writer{Buffered: true}, record.PageCache},
	}
	var pids []int
	for _, c := range cases {
		c.File, c.Bytes, c.Writes = filepath.Join(dir, "f"), 64<<10, 8
		pid, _ := c.run(t)
		pids = append(pids, pid)
	}
	all := stop(t, w)
	for i, c := range cases {
		found := false
		for _, r := range of(all, pids[i]) {
			found = found || r.Memory == c.want && r.Blocks >= 3*16
			// The page cache of what it wrote before may be written out, too, and metadata.
			if r.Direct == stablewrite.DirectYes && r.Memory != c.want {
				t.Errorf("%+v: %+v", c, r)
			}
		}
		if !found {
			t.Errorf("%+v: no writes from %s: %+v", c, c.want, of(all, pids[i]))
		}
	}
}

// hugePages reserves some.
func hugePages(t *testing.T) {
	t.Helper()
	const name = "/proc/sys/vm/nr_hugepages"
	was, err := os.ReadFile(name)
	if err != nil {
		testenv.Missing(t, "huge pages: %v", err)
	}
	if err := os.WriteFile(name, []byte("16"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(name, was, 0) })
}

// A program that is swapped out while it changes its memory makes no direct writes.
func TestSwappingIsNotDirect(t *testing.T) {
	dev := testenv.LoopDevice(t, 256<<20)
	testenv.Tool(t, "mkswap", "swapon", "swapoff")
	for _, cmd := range [][]string{{"mkswap", dev}, {"swapon", "-p", "100", dev}} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", cmd, err, out)
		}
	}
	t.Cleanup(func() { exec.Command("swapoff", dev).Run() })
	w := start(t, Options{All: true})
	pid, _ := writer{File: filepath.Join(testenv.DirectDir(t), "f"), Bytes: 32 << 20, Writes: 20, PageOut: true, Scribble: true}.run(t)
	swapped := int64(0)
	for _, r := range of(stop(t, w), pid) {
		if r.Memory == record.Swap {
			swapped += r.Writes
		} else if r.Memory != record.Metadata {
			t.Errorf("%+v", r)
		}
	}
	if swapped == 0 {
		t.Error("nothing was swapped out")
	}
}

// Writes that a loop device passes on to its file are not counted again.
func TestALoopDeviceIsCountedOnce(t *testing.T) {
	dev := testenv.LoopDevice(t, 16<<20)
	for _, scribble := range []bool{false, true} {
		testenv.EBPF(t)
		w, err := Start(Options{}) // of all programs, the loop device's threads too
		if err != nil {
			t.Fatal(err)
		}
		c0, _ := w.counts()
		pid, writes := writer{File: dev, Bytes: 128 << 10, Writes: 100, Scribble: scribble}.run(t)
		c, _ := w.counts()
		all := stop(t, w)
		if its := of(all, pid); len(its) != 1 || !allOf(its[0], writes) || its[0].Device != filepath.Base(dev) || its[0].File != dev && scribble || scribble != (its[0].Changed > 0) {
			t.Errorf("%+v", its)
		}
		if c[countBelow] == c0[countBelow] {
			t.Error("nothing was seen below the loop device")
		}
		for _, r := range all {
			if r.PID == 0 && r.Direct == stablewrite.DirectYes {
				t.Errorf("%+v", r)
			}
		}
	}
}

// zram takes bios without making requests of them. It completes them so soon that on a busy
// machine the scribbler may not run meanwhile.
func TestADeviceThatTakesBios(t *testing.T) {
	dev := zram(t)
	for tries := 1; ; tries++ {
		w := start(t, Options{})
		pid, writes := writer{File: dev, Bytes: 1 << 20, Writes: 300, Scribble: true}.run(t)
		its := of(stop(t, w), pid)
		switch {
		case len(its) != 1 || !allOf(its[0], writes) || its[0].Device != filepath.Base(dev) || its[0].Changed == 0 && tries == 10:
			t.Fatalf("%+v", its)
		case its[0].Changed > 0:
			return
		}
	}
}

// zram returns a new device of 64 MiB in memory.
func zram(t *testing.T) string {
	t.Helper()
	testenv.EBPF(t)
	added, err := os.ReadFile("/sys/class/zram-control/hot_add")
	if err != nil {
		testenv.Missing(t, "zram: %v", err)
	}
	number := strings.TrimSpace(string(added))
	t.Cleanup(func() { os.WriteFile("/sys/class/zram-control/hot_remove", []byte(number), 0) })
	if err := os.WriteFile("/sys/block/zram"+number+"/disksize", []byte("64M"), 0); err != nil {
		t.Fatal(err)
	}
	return "/dev/zram" + number
}

// A thread of the kernel queues writes that I/O throttling held back. They count for the
// control group, and not for a program that was asked for.
func TestThrottledWritesAreOfTheControlGroup(t *testing.T) {
	testenv.EBPF(t)
	name := filepath.Join(testenv.DirectDir(t), "f")
	join := throttle(t, name)
	only := start(t, Options{})
	every, err := Start(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer every.Close()
	cmd := writer{File: name, Bytes: 64 << 10, Writes: 30}.command()
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := join(cmd.Process.Pid)
	hold.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var writes, untraced int64
	for _, r := range stop(t, every) {
		untraced = r.Untraced
		if r.PID == cmd.Process.Pid || r.PID == 0 && r.Cgroup == group {
			writes += r.Writes
		}
	}
	if writes > 30 || writes+untraced < 30 {
		t.Errorf("%d writes of the control group and its process, want 30", writes)
	}
	seen := stop(t, only)
	if outcome, said := Judge(seen); seen[0].Unnamed == 0 || outcome != Inconclusive {
		t.Errorf("%d unnamed: %s", seen[0].Unnamed, said)
	}
}

// throttle limits what a control group writes to the device of a file, and returns
// how a process joins it.
func throttle(t *testing.T, name string) (join func(pid int) (group string)) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(filepath.Dir(name), &st); err != nil {
		t.Fatal(err)
	}
	for _, mount := range cgroupMounts() {
		dir := filepath.Join(mount, "stablepages-test")
		if os.Mkdir(dir, 0o700) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(dir) })
		device := fmt.Sprintf("%d:%d ", unix.Major(st.Dev), unix.Minor(st.Dev))
		if os.WriteFile(filepath.Join(dir, "blkio.throttle.write_bps_device"), []byte(device+"4194304"), 0) != nil &&
			os.WriteFile(filepath.Join(dir, "io.max"), []byte(device+"wbps=4194304"), 0) != nil {
			continue
		}
		return func(pid int) string {
			if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, pid), 0); err != nil {
				t.Fatal(err)
			}
			return "/stablepages-test"
		}
	}
	testenv.Missing(t, "a control group that limits writes, on a device that is no partition")
	return nil
}
