package kernel

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// The test program is the init of its machines.
func TestMain(m *testing.M) {
	Guest(func(in *Inside, spec json.RawMessage) error {
		var what string
		if err := json.Unmarshal(spec, &what); err != nil {
			return err
		}
		return misbehave(in, what)
	})
	os.Exit(m.Run())
}

// misbehave is the job: it ends in the given way.
func misbehave(in *Inside, what string) error {
	switch what {
	case "say and hang":
		release, err := os.ReadFile("/proc/sys/kernel/osrelease")
		if err != nil {
			return err
		}
		disk, err := os.OpenFile("/dev/vda", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		was := make([]byte, 512)
		if _, err := disk.ReadAt(was, 0); err != nil {
			return err
		}
		if _, err := disk.WriteAt([]byte(strings.Repeat("guest...", 64)), 0); err != nil {
			return err
		}
		if err := disk.Sync(); err != nil {
			return err
		}
		if err := in.Say([]string{strings.TrimSpace(string(release)), strings.TrimRight(string(was), "\x00")}); err != nil {
			return err
		}
		time.Sleep(time.Hour)
	case "panic in Go":
		panic("as it was told")
	case "exit":
		os.Exit(3) // the end of init
	case "eat memory":
		var eaten [][]byte
		for {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			eaten = append(eaten, b)
			if len(eaten) > 1000 {
				return fmt.Errorf("all of %d", len(eaten))
			}
		}
	}
	return fmt.Errorf("no such job: %s", what)
}

// Other kernels, the end of a job and a power cut have their tests in cmd/stablewrite.
func TestKernelsBootAndEveryEndIsTold(t *testing.T) {
	testenv.Kernels(t)
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k, err := series(t, "6.1").Fetch(context.Background(), cache)
	if err != nil {
		testenv.Missing(t, "%v", err)
	}
	for what, want := range map[string]string{
		"say and hang": "said nothing for 5s", "panic in Go": "panic: as it was told",
		"exit": "Attempted to kill init", "eat memory": "System is deadlocked on memory",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			disk, err := os.Create(t.TempDir() + "/disk")
			if err != nil {
				t.Fatal(err)
			}
			defer disk.Close()
			if _, err := disk.WriteAt(append([]byte("host"), make([]byte, 1<<20-4)...), 0); err != nil {
				t.Fatal(err)
			}
			spec, _ := json.Marshal(what)
			m := Machine{Kernel: k, Accel: Emulated, Program: program, Disks: []*os.File{disk}, Job: spec}
			says := what == "say and hang"
			if says {
				m.Silence = 5 * time.Second
			}
			var said []string
			err = m.Run(context.Background(), func(line json.RawMessage) error { return json.Unmarshal(line, &said) })
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
			if !says {
				return
			}
			if len(said) != 2 || said[0] != k.Version || said[1] != "host" {
				t.Errorf("said %q, want %q and the disk", said, k.Version)
			}
			got := make([]byte, 5)
			if disk.ReadAt(got, 0); string(got) != "guest" {
				t.Errorf("the disk has %q", got)
			}
		})
	}
}
