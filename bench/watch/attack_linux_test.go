//go:build amd64

package watch

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"stablepages/bench/record"
	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

// watchForEver says which programs it loaded, and watches until it is killed.
func watchForEver() {
	w, err := Start(Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var ids []ebpf.ProgramID
	for _, p := range w.k.Programs {
		info, err := p.Info()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		id, _ := info.ID()
		ids = append(ids, id)
	}
	json.NewEncoder(os.Stdout).Encode(ids)
	select {}
}

func TestAKilledWatcherLeavesNothing(t *testing.T) {
	testenv.EBPF(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), watcherEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	var ids []ebpf.ProgramID
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&ids); err != nil || len(ids) < len(hooks) {
		t.Fatal(ids, err)
	}
	loaded := func(id ebpf.ProgramID) bool {
		p, err := ebpf.NewProgramFromID(id)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return err == nil && p.Close() == nil
	}
	for _, id := range ids {
		if !loaded(id) {
			t.Fatalf("program %d is not there while it is watched", id)
		}
	}
	cmd.Process.Kill()
	cmd.Wait()
	for _, id := range ids { // the kernel frees them some time after the last link
		for range 2000 {
			if !loaded(id) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if loaded(id) {
			t.Errorf("program %d is there ten seconds after the watcher was killed", id)
		}
	}
}

func TestTwoAtOnceSeeTheSame(t *testing.T) {
	t.Parallel()
	a, b := start(t, Options{}), start(t, Options{})
	pid, _ := writer{File: filepath.Join(testenv.DirectDir(t), "f"), Bytes: 64 << 10, Writes: 100}.run(t)
	for _, w := range []*Watcher{a, b} {
		if its := of(stop(t, w), pid); len(its) != 1 || !allOf(its[0], 100) {
			t.Errorf("%+v", its)
		}
	}
}

// Programs without room in the table are counted without their names.
func TestProgramsBeyondWhatIsToldApartAreCounted(t *testing.T) {
	w := start(t, Options{rows: uint32(len(memories))})
	name := filepath.Join(testenv.DirectDir(t), "f")
	for range 3 {
		writer{File: name, Bytes: 4096, Writes: 10}.run(t)
	}
	var named, others int64
	for _, r := range stop(t, w) {
		if r.PID == 0 {
			others += r.Writes
			if r.Direct != stablewrite.DirectYes || Program(r) != "others" {
				t.Errorf("%+v", r)
			}
		} else {
			named += r.Writes
		}
	}
	if named > 10 || others > 20 || named+others < 29 {
		t.Errorf("%d and %d writes", named, others)
	}
}

// Writes in flight without room in the table count as untraced.
func TestWritesBeyondWhatIsKeptAreCountedAsUntraced(t *testing.T) {
	testenv.Tool(t, "fio")
	w := start(t, Options{inFlight: 1})
	fio(t, testenv.DirectDir(t), "--ioengine=libaio", "--iodepth=32", "--iodepth_batch=32", "--bs=4k", "--number_ios=2000")
	all, err := w.Stop()
	if err != nil || all[0].Untraced == 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if outcome, said := Judge(all); outcome != Inconclusive || !strings.Contains(said, "missed") {
		t.Errorf("%v: %s", outcome, said)
	}
}

func TestNamesDoNotSteerTerminals(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[31m\u202e<b>"
	w := start(t, Options{})
	dir := filepath.Join(testenv.DirectDir(t), evil)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	pid, _ := writer{File: filepath.Join(dir, "f"), Bytes: 256 << 10, Writes: 200, Scribble: true, Name: evil}.run(t)
	its := of(stop(t, w), pid)
	if len(its) != 1 || its[0].Comm != evil || its[0].Changed == 0 {
		t.Fatalf("%+v", its)
	}
	for _, text := range []string{Program(its[0]), Line(its[0]), fmt.Sprint(Findings(its))} {
		if strings.ContainsAny(text, "\x1b\u202e") || !strings.Contains(text, "<b>") {
			t.Errorf("%q", text)
		}
	}
}

// A process that gets the PID of an ended process is told apart from it.
func TestAPIDThatComesAgainIsAnother(t *testing.T) {
	const last = "/proc/sys/kernel/ns_last_pid"
	if _, err := os.Stat(last); err != nil {
		testenv.Missing(t, "%v", err)
	}
	name := filepath.Join(testenv.DirectDir(t), "f")
	all, one := start(t, Options{}), writer{File: name, Bytes: 4096, Writes: 5}
	first := one.command()
	hold, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	pid := first.Process.Pid
	only := start(t, Options{PID: pid})
	hold.Close()
	if err := first.Wait(); err != nil {
		t.Fatal(err)
	}
	again := 0
	for range 500 { // others take PIDs, too
		if err := os.WriteFile(last, fmt.Append(nil, pid-1), 0); err != nil {
			t.Fatal(err)
		}
		if again, _ = one.run(t); again == pid {
			break
		}
	}
	if again != pid {
		t.Fatalf("PID %d did not come again", pid)
	}
	if its := of(stop(t, all), pid); len(its) != 2 || !allOf(its[0], 5) || !allOf(its[1], 5) {
		t.Errorf("%+v", its)
	}
	if its := of(stop(t, only), pid); len(its) != 1 || !allOf(its[0], 5) {
		t.Errorf("%+v", its)
	}
}

func TestADeviceThatVanishes(t *testing.T) {
	t.Parallel()
	testenv.EBPF(t)
	dev, vanish := testenv.MortalDevice(t, 300<<20)
	w := start(t, Options{})
	cmd := writer{File: dev, Bytes: 64 << 10, Writes: 1 << 30, MayFail: true}.command()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	for len(of(records(t, w), cmd.Process.Pid)) == 0 {
		time.Sleep(time.Millisecond)
	}
	vanish()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if its := of(stop(t, w), cmd.Process.Pid); len(its) != 1 || its[0].Device != filepath.Base(dev) || its[0].Changed != 0 {
		t.Errorf("%+v", its)
	}
	if layers := layersOf(numberOf(unix.Mkdev(4095, 1))); layers != nil || deviceName(numberOf(unix.Mkdev(4095, 1))) != "4095:1" {
		t.Errorf("a device that is gone is %s, %v", deviceName(numberOf(unix.Mkdev(4095, 1))), layers)
	}
}

func records(t *testing.T, w *Watcher) []record.Watch {
	t.Helper()
	all, err := w.Records()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
