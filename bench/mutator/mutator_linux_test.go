package mutator

import (
	"bytes"
	"errors"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

func start(t *testing.T, cfg Config) *Mutator {
	t.Helper()
	m, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	})
	return m
}

// everywhere runs a test for each place where a mutator runs.
func everywhere(t *testing.T, f func(*testing.T, Where)) {
	for _, in := range []Where{Process, Thread} {
		t.Run(in.String(), func(t *testing.T) { f(t, in) })
	}
}

func change(t *testing.T, m *Mutator) {
	t.Helper()
	ok, err := m.Change()
	if err == nil {
		err = m.Restored()
	}
	if err != nil || !ok {
		t.Fatalf("Change = %v, %v", ok, err)
	}
}

// A gated mutator changes the buffer when it is told to, and only then.
func TestGatedChangesAreMadeOnDemand(t *testing.T) {
	everywhere(t, func(t *testing.T, in Where) {
		for _, k := range Kinds() {
			m := start(t, Config{Kind: k, In: in, Gated: true, Seed: 7, Size: 64 << 10, Hold: time.Millisecond})
			for range 20 {
				m.BeginWrite()
				was, mark := slices.Clone(m.Buffer()), m.Mark()
				time.Sleep(100 * time.Microsecond)
				if !bytes.Equal(was, m.Buffer()) || m.Overlapped(mark) {
					t.Fatalf("%v changed the buffer without leave", k)
				}
				ok, err := m.Change()
				if err != nil || ok != (k != None) || m.Overlapped(mark) != ok {
					t.Fatalf("%v: Change = %v, %v; overlapped %v", k, ok, err, m.Overlapped(mark))
				}
				if err := m.Restored(); err != nil {
					t.Fatal(err)
				}
				if changed := !bytes.Equal(was, m.Buffer()); changed != (ok && !k.Restores()) {
					t.Fatalf("%v: the buffer differs after the change: %v", k, changed)
				}
				if ok, _ := m.Change(); ok != (k != None && k != Once) {
					t.Errorf("%v: a second change in one write: %v", k, ok)
				}
				if err := m.Restored(); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// Free-running mutators change the buffer by themselves; a sequence number tells.
func TestFreeRunningMutatorsOverlap(t *testing.T) {
	everywhere(t, func(t *testing.T, in Where) {
		for _, k := range Kinds() {
			m := start(t, Config{Kind: k, In: in, Seed: 7, Size: 64 << 10, Hold: 10 * time.Microsecond})
			m.BeginWrite()
			mark := m.Mark()
			deadline := time.Now().Add(3 * time.Second) // stock changes once a second
			for k != None && !m.Overlapped(mark) && time.Now().Before(deadline) {
				time.Sleep(100 * time.Microsecond)
			}
			if m.Overlapped(mark) != (k != None) {
				t.Errorf("%v: overlapped %v", k, m.Overlapped(mark))
			}
		}
	})
}

func TestOnceIsOncePerWrite(t *testing.T) {
	everywhere(t, func(t *testing.T, in Where) {
		m := start(t, Config{Kind: Once, In: in, Seed: 1, Size: 8192})
		for i := range 50 {
			mark := m.Mark()
			m.BeginWrite()
			for !m.Overlapped(mark) {
				time.Sleep(10 * time.Microsecond)
			}
			time.Sleep(200 * time.Microsecond)
			if made := m.Mark() - mark; made != 2 {
				t.Fatalf("%d half changes in one write, want 2", made)
			}
			written := make([]byte, 8192)
			fillNumber(written, uint64(i+1))
			if n := differing(m.Buffer(), written); n != 1 {
				t.Fatalf("%d bits differ, want 1", n)
			}
		}
	})
}

// A change that lasts from before to after a write may have stored meanwhile, or
// not: such a write counts neither as overlapped nor as quiet.
func TestAChangeUnderWayIsNotQuiet(t *testing.T) {
	m := start(t, Config{Kind: None, Size: 4096})
	for _, tc := range []struct {
		before, after     uint64
		overlapped, quiet bool
	}{{2, 2, false, true}, {2, 3, true, false}, {2, 4, true, false}, {3, 3, false, false}, {3, 4, true, false}} {
		m.ctl.changes.Store(tc.before)
		mark := m.Mark()
		m.ctl.changes.Store(tc.after)
		if m.Overlapped(mark) != tc.overlapped || m.Quiet(mark) != tc.quiet {
			t.Errorf("from %d to %d: overlapped %v, quiet %v", tc.before, tc.after, m.Overlapped(mark), m.Quiet(mark))
		}
	}
}

// A block that was lost must not look like a block that was written.
func TestNoTwoWritesShareABlock(t *testing.T) {
	for _, k := range Kinds() {
		if kinds[k].keeps || k == Stock { // the content stays, or is that of 2011
			continue
		}
		m := start(t, Config{Kind: k, In: Thread, Gated: true, Seed: 1, Size: 8192})
		m.BeginWrite()
		was := slices.Clone(m.Buffer())
		m.BeginWrite()
		for lo := 0; lo < len(was); lo += 4096 {
			if bytes.Equal(was[lo:lo+4096], m.Buffer()[lo:lo+4096]) {
				t.Errorf("%v: two writes begin with the same block at %d", k, lo)
			}
		}
	}
}

func newBuffer(n int, seed uint64, k Kind) *buffer {
	return &buffer{buf: make([]byte, n), rng: newRand(seed, k), ctl: new(control)}
}

func differing(buf, from []byte) (n int) {
	for i, b := range buf {
		n += bits.OnesCount8(b ^ from[i])
	}
	return n
}

// A bit flipped twice is an A-B-A change, which flip must never make.
func TestFlipReturnsToNoBitBeforeAllWereFlipped(t *testing.T) {
	for seed := range uint64(20) {
		v := newBuffer(12288, seed, Flip)
		step := flip(v)
		for n := 1; n <= len(v.buf)*8; n++ {
			step()
		}
		if n := differing(v.buf, make([]byte, len(v.buf))); n != len(v.buf)*8 {
			t.Errorf("seed %d: after as many flips as bits %d are flipped", seed, n)
		}
	}
}

func TestABARestoresWhatItChanged(t *testing.T) {
	for seed := range uint64(5) {
		m := start(t, Config{Kind: ABA, In: Thread, Gated: true, Hold: time.Hour, Seed: seed, Size: 16 * 4096})
		m.BeginWrite()
		was := slices.Clone(m.Buffer())
		if ok, err := m.Change(); err != nil || !ok {
			t.Fatalf("Change = %v, %v", ok, err)
		}
		if m.Mark()%2 == 1 {
			t.Error("a hold counts as a change that is being made")
		}
		held := slices.Clone(m.Buffer())
		m.Hurry()
		if err := m.Restored(); err != nil {
			t.Fatal(err)
		}
		blocks := 0
		for lo := 0; lo < len(was); lo += 4096 {
			if !bytes.Equal(was[lo:lo+4096], held[lo:lo+4096]) {
				blocks++
			}
		}
		if blocks != 1 || !bytes.Equal(was, m.Buffer()) {
			t.Errorf("%d blocks changed during the hold, want 1; restored: %v", blocks, bytes.Equal(was, m.Buffer()))
		}
	}
}

func TestCRCPagesAreValidAndNoVersionComesTwice(t *testing.T) {
	v := newBuffer(4*4096, 3, CRCPage)
	fillStamped(v.buf, 0)
	whole := crcguard.Checksum(v.buf[:4096]) // the same for every valid page: CRC is linear
	seen := map[string]bool{}
	step := crcPage(v)
	for range 200 {
		for lo := 0; lo < len(v.buf); lo += 4096 {
			page := v.buf[lo : lo+4096]
			if crcguard.Checksum(page) != whole {
				t.Fatal("a page does not end in its own CRC-32C")
			}
			if seen[string(page[:16])] {
				t.Fatal("a version came twice")
			}
			seen[string(page[:16])] = true
		}
		step()
	}
}

func TestHintOnlySetsOneBitPerPage(t *testing.T) {
	v := newBuffer(3*hintPage, 3, Hint)
	step := hint(v)
	for n := 1; n <= 500; n++ {
		was := slices.Clone(v.buf)
		step()
		for i := range was {
			if v.buf[i]&was[i] != was[i] {
				t.Fatal("a bit was cleared")
			}
		}
		if got := differing(v.buf, make([]byte, len(v.buf))); got != 3*n {
			t.Fatalf("after %d changes of 3 pages %d bits are set", n, got)
		}
	}
}

func children(t *testing.T) (pids []int) {
	t.Helper()
	tasks := glob(t, "/proc/self/task/*/children")
	if len(tasks) == 0 {
		testenv.Missing(t, "/proc/PID/task/TID/children, of a kernel with CONFIG_PROC_CHILDREN")
	}
	for _, task := range tasks {
		b, _ := os.ReadFile(task) // the thread may be gone
		for _, f := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

func glob(t *testing.T, pattern string) []string {
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestASignalForTheGroupDoesNotEndTheMutatorAndItsDeathIsNoticed(t *testing.T) {
	m, err := Start(Config{Kind: Storm, Gated: true, Size: 8192})
	if err != nil {
		t.Fatal(err)
	}
	pids := children(t)
	if len(pids) != 1 {
		t.Fatalf("children %v", pids)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		syscall.Kill(pids[0], sig)
	}
	time.Sleep(20 * time.Millisecond)
	change(t, m)
	syscall.Kill(pids[0], syscall.SIGKILL)
	for m.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if _, err := m.Change(); !errors.Is(err, ErrDied) {
		t.Errorf("Change after its death: %v", err)
	}
	if err := m.Close(); !errors.Is(err, ErrDied) {
		t.Errorf("Close after its death: %v", err)
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	open := func() int { return len(glob(t, "/proc/self/fd/*")) }
	mapped := func() int {
		b, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Count(b, []byte("stablewrite-buffer"))
	}
	before := open()
	everywhere(t, func(t *testing.T, in Where) {
		for range 5 {
			m, err := Start(Config{Kind: Storm, In: in, Size: 8192})
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	if after := open(); after > before+2 { // the runtime's own
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if n := mapped(); n != 0 {
		t.Errorf("%d mappings left", n)
	}
	if pids := children(t); len(pids) != 0 {
		t.Errorf("children left: %v", pids)
	}
}

// A hold that is too long is cut short, and the changed block restored.
func TestHurryEndsAHold(t *testing.T) {
	everywhere(t, func(t *testing.T, in Where) {
		m := start(t, Config{Kind: ABA, In: in, Gated: true, Hold: time.Hour, Size: 8192})
		m.BeginWrite()
		was := slices.Clone(m.Buffer())
		if ok, err := m.Change(); !ok || err != nil || bytes.Equal(was, m.Buffer()) {
			t.Errorf("Change = %v, %v; restored %v", ok, err, bytes.Equal(was, m.Buffer()))
		}
		time.AfterFunc(10*time.Millisecond, m.Hurry)
		if err := m.Restored(); err != nil || !bytes.Equal(was, m.Buffer()) {
			t.Errorf("Restored = %v; restored %v", err, bytes.Equal(was, m.Buffer()))
		}
		change(t, m) // and there are more, without a hold
	})
}

func TestHurryEndsAMutatorThatRunsFree(t *testing.T) {
	m := start(t, Config{Kind: Stock, In: Thread, Size: 8192})
	for m.Mark() < 2 {
		time.Sleep(time.Millisecond)
	}
	m.Hurry()
	if time.Sleep(20 * time.Millisecond); m.Mark() != 2 {
		t.Errorf("%d half changes, want those of the first letter", m.Mark())
	}
}

func TestAStoppedProcessDoesNotKeepClose(t *testing.T) {
	m, err := Start(Config{Kind: Storm, Gated: true, Size: 8192})
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range children(t) {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if pids := children(t); len(pids) != 0 {
		t.Errorf("children left: %v", pids)
	}
}

// A program that forgot Main must not start itself without end.
func TestAChildStartsNoChild(t *testing.T) {
	t.Setenv(childEnv, "{}")
	if _, err := Start(Config{Kind: Storm, Size: 8192}); err == nil || !strings.Contains(err.Error(), "mutator.Main") {
		t.Errorf("%v", err)
	}
}

func TestBadSizesAreRefused(t *testing.T) {
	for _, n := range []int{0, -4096, 100} {
		if _, err := Start(Config{Kind: Storm, Size: n}); err == nil {
			t.Errorf("a buffer of %d bytes", n)
		}
	}
}

func TestText(t *testing.T) {
	for _, k := range Kinds() {
		text, _ := k.MarshalText()
		var back Kind
		if back.UnmarshalText(text) != nil || back != k || k.About() == "" {
			t.Errorf("%v does not survive its text", k)
		}
	}
	var k Kind
	var w Where
	if k.UnmarshalText([]byte("x")) == nil || w.UnmarshalText([]byte("x")) == nil {
		t.Error("unknown names accepted")
	}
}
