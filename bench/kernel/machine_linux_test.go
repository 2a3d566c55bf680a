package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine returns a Machine whose QEMU is a shell script; its descriptor 5 is the port.
func machine(t *testing.T, script string) Machine {
	t.Helper()
	bin := t.TempDir()
	put(t, filepath.Join(bin, qemu), []byte("#!/bin/sh\necho $$ > "+bin+"/pid\n"+script))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { awaitGone(t, filepath.Join(bin, "pid")) })
	return Machine{Kernel: fake(t, t.TempDir()), Accel: Emulated, Program: program, Up: time.Minute, Silence: time.Minute}
}

// awaitGone waits until the process whose number is in a file has ended.
func awaitGone(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		return // it was never started
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	for deadline := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
	}
}

func TestEveryEndOfAMachineIsTold(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		want         []string // parts of the error; none: no error
		cut          bool
	}{
		{name: "done", script: `echo '{"up":true}' >&5; printf '{"sa' >&5; sleep 0.1; echo 'y":7}' >&5; echo '{"done":true}' >&5; exec sleep 100`},
		{name: "cut", script: `echo '{"up":true}' >&5; echo '{"cut":true}' >&5; exec sleep 100`, cut: true},
		{name: "failed", script: `echo '{"up":true}' >&5; echo '{"failed":"no disk"}' >&5; exec sleep 100`, want: []string{"in the guest: no disk"}},
		{name: "QEMU refuses", script: `echo 'qemu: no such machine' >&2; exit 1`, want: []string{"did not come up: the machine ended", "no such machine"}},
		{name: "never up", script: `echo 'booting'; exec sleep 100`, want: []string{"did not come up within 2s", "booting"}},
		{name: "hangs", script: `echo '{"up":true}' >&5; exec sleep 100`, want: []string{"said nothing for 100ms: it hangs"}},
		{name: "panics", script: `echo '{"up":true}' >&5; echo 'Kernel panic - not syncing'; exit 0`, want: []string{"before the guest was done", "Kernel panic"}},
		{name: "garbage", script: `echo '{"up":true}' >&5; echo 'hello' >&5; exec sleep 100`, want: []string{`the guest said "hello"`}},
		{name: "no end of a line", script: `yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | tr -d '\n' >&5`, want: []string{"a line of more than"}},
		{name: "terminal codes", script: `printf '\033[31mred\n'; exit 1`, want: []string{"\n[31mred"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var heard []string
			m := machine(t, tc.script)
			switch tc.name { // these are waited for
			case "never up":
				m.Up = 2 * time.Second
			case "hangs":
				m.Silence = 100 * time.Millisecond
			}
			err := m.Run(context.Background(), func(line json.RawMessage) error {
				heard = append(heard, string(line))
				return nil
			})
			switch {
			case tc.cut != errors.Is(err, ErrCut):
				t.Errorf("%v", err)
			case tc.want == nil && !tc.cut && err != nil:
				t.Error(err)
			}
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %q", err, want)
				}
			}
			if tc.name == "done" && strings.Join(heard, " ") != "7" {
				t.Errorf("heard %q", heard)
			}
		})
	}
}

func TestAMachineEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := machine(t, `echo '{"up":true}' >&5; while :; do echo '{"say":1}' >&5; sleep 0.01; done`)
	n := 0
	err := m.Run(ctx, func(json.RawMessage) error {
		if n++; n == 3 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestWhatTheListenerSaysEndsTheMachine(t *testing.T) {
	full := errors.New("disk full")
	m := machine(t, `echo '{"up":true}' >&5; echo '{"say":1}' >&5; exec sleep 100`)
	if err := m.Run(context.Background(), func(json.RawMessage) error { return full }); !errors.Is(err, full) {
		t.Error(err)
	}
}

// A machine may have a KVM device that hangs every guest.
func TestKVMHasLessTimeAndAnAdvice(t *testing.T) {
	m := machine(t, `exec sleep 100`)
	m.Accel, m.Up = KVM, 100*time.Millisecond
	if err := m.Run(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "under KVM") {
		t.Error(err)
	}
	if up, _ := (Machine{Accel: KVM}).limits(); up > time.Minute {
		t.Errorf("KVM has %v to come up", up)
	}
}

func TestNoQEMUIsNamedWithItsPackage(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	if err := CheckQEMU(); !errors.Is(err, ErrQEMU) || !strings.Contains(err.Error(), qemuPackage) {
		t.Error(err)
	}
	put(t, filepath.Join(bin, qemu), []byte("#!/no/such/shell\n"))
	m := Machine{Kernel: fake(t, t.TempDir()), Accel: Emulated, Program: filepath.Join(bin, qemu)}
	if err := m.Run(context.Background(), nil); !errors.Is(err, ErrQEMU) {
		t.Errorf("QEMU cannot be started: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.Run(ctx, nil); !errors.Is(err, context.Canceled) || errors.Is(err, ErrQEMU) {
		t.Errorf("QEMU is not started: %v", err)
	}
}
