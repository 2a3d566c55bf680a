package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/aio"
	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/scratch"
	"stablepages/bench/testenv"
	"stablepages/bench/victim"
	"stablepages/bench/watch"
	"stablepages/stablewrite"
)

// Places to race on that are not victims.
const (
	plainDisk = "virtio"
	slowDisk  = "scsi"
	offByFour = "scsi, memory 4 bytes behind a page"
	busyDisk  = "virtio, beside " + besideBusy
)

// besideBusy is raced on while another disk is written to.
const besideBusy = "dm-integrity-D"

// placesUnderWatch lists the places to race on under each kernel: disks under all, layers
// under the newest.
var placesUnderWatch = map[string][]string{
	"6.1":    {plainDisk, slowDisk},
	"6.12":   {plainDisk, slowDisk, offByFour},
	"newest": {plainDisk, "dm-flakey", "md-raid1", besideBusy, "t10-pi"},
}

// Disks of scsi_debug take the data of a write when it is submitted, and complete it
// slowDelay ticks of the kernel, 200 ms, later. A change in between is certainly
// in flight.
const (
	slowDelay = "50"
	delayFile = "/sys/bus/pseudo/drivers/scsi_debug/delay"
)

const diskBytes = 64 << 20 // of disks that are no victim's

// underWatch is a race in a machine, and what a Watcher there saw of its device
// meanwhile.
type underWatch struct {
	Place string
	Race  record.Repro
	Seen  record.Watch
}

func (u underWatch) String() string {
	return fmt.Sprintf("%s, %s against %v, gated %v: %d writes, %d overlapped, %d torn, %d refused; watched: %d changed of %d, %d blocks of %d, %d untraced",
		u.Place, u.Race.Writer(), u.Race.Mutator, u.Race.Gate, u.Race.Writes, u.Race.Overlapped, u.Race.Torn, u.Race.WriteErrors,
		u.Seen.Changed, u.Seen.Writes, u.Seen.BlocksChanged, u.Seen.Blocks, u.Seen.Untraced)
}

// slow reports whether every change was in flight when the watcher looked.
func (u underWatch) slow() bool { return isSlow(u.Place) }

func isSlow(place string) bool {
	return slices.Contains([]string{slowDisk, offByFour, "t10-pi"}, place)
}

// TestKernelsUnderWatch races in machines beside a Watcher. It is independent of
// the strategies, since it knows neither the writer nor its sums.
//
// It counts writes that differ between their queueing and their completion. The race
// counts those that its mutator changed in a longer time, as overlapped: running free
// from the sum to the return, gated until the completion is reaped. (Running free, a
// change that lasts as long as the write is not counted.) On a disk that is slow
// enough the two are the same.
func TestKernelsUnderWatch(t *testing.T) {
	testenv.Kernels(t)
	cache, err := kernel.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, series := range kernel.AllSeries() {
		k, err := series.Fetch(context.Background(), cache)
		if err != nil {
			testenv.Missing(t, "%v", err)
		}
		t.Run(series.Name, func(t *testing.T) {
			t.Parallel()
			places := placesUnderWatch[series.Name]
			raced := map[string]int{}
			m, err := machineFor(t, k, places), kernel.ErrNotUp
			for boots := 0; boots < 2 && errors.Is(err, kernel.ErrNotUp); boots++ {
				err = m.Run(context.Background(), func(line json.RawMessage) error {
					var u underWatch
					if err := json.Unmarshal(line, &u); err != nil {
						return err
					}
					t.Log(u)
					u.judge(t)
					raced[u.Place]++
					return nil
				})
			}
			if err != nil {
				t.Error(err)
			}
			for _, place := range places {
				if raced[place] < 2 {
					t.Errorf("%d races on %s", raced[place], place)
				}
				if place == besideBusy && raced[busyDisk] != 1 {
					t.Errorf("%d disks were busy beside %s", raced[busyDisk], place)
				}
			}
		})
	}
}

// machineFor returns a machine with the disks and modules of places.
func machineFor(t *testing.T, k kernel.Kernel, places []string) kernel.Machine {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const patience = 5 * time.Minute // two machines and other tests may share two processors
	m := kernel.Machine{Kernel: k, Accel: kernel.Emulated, Program: program, Up: patience, Silence: patience}
	disk := func(bytes int64) {
		f, err := scratch.Temporary(testenv.DirectDir(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Truncate(bytes); err != nil {
			t.Fatal(err)
		}
		m.Disks = append(m.Disks, f)
	}
	for _, place := range places {
		switch place {
		case plainDisk:
			disk(diskBytes)
		case slowDisk:
			m.Modules = append(m.Modules, "sd_mod", fmt.Sprintf("scsi_debug dev_size_mb=%d", diskBytes>>20))
		case offByFour:
		default:
			v, err := victim.Named(place)
			if err != nil {
				t.Fatal(err)
			}
			m.Modules = append(m.Modules, v.Modules...)
			for _, bytes := range v.Disks {
				disk(bytes)
			}
		}
	}
	m.Job, _ = json.Marshal(places)
	return m
}

// judge compares the counts of the Watcher with those of the race.
func (u underWatch) judge(t *testing.T) {
	t.Helper()
	seen, overlapped := int(u.Seen.Changed), u.Race.Overlapped
	if missed := u.Race.Writes - int(u.Seen.Writes); u.Race.Writes == 0 || missed > int(u.Seen.Untraced) {
		t.Errorf("%v: writes were missed and not counted", u)
	}
	switch k := u.Race.Mutator; {
	case k == mutator.None || u.Race.Strategy == stablewrite.Bounce:
		if seen != 0 || u.Race.WriteErrors != 0 {
			t.Errorf("%v: want no changes and no failures, as nobody changes the buffer", u)
		}
	case seen == 0:
		t.Errorf("%v: want some to change", u)
	case u.Race.Gate && (seen > overlapped || seen < u.Race.Torn):
		t.Errorf("%v: want no more than overlapped to change, and no fewer than torn", u)
	case k == mutator.Once && int(u.Seen.BlocksChanged) != seen:
		t.Errorf("%v: want one block of each", u)
	case u.slow() && (20*seen < 19*overlapped || k == mutator.Once && seen != u.Race.Writes):
		t.Errorf("%v: want as many as overlapped", u)
	}
}

// raceUnderWatch is the job of a machine.
func raceUnderWatch(in *kernel.Inside, spec json.RawMessage) error {
	var places []string
	if err := json.Unmarshal(spec, &places); err != nil {
		return err
	}
	w, err := watch.Start(watch.Options{})
	if err != nil {
		return err
	}
	defer w.Close()
	g := &guestUnderWatch{in: in, w: w, disk: 'a'}
	for _, place := range places {
		if err := g.races(place); err != nil {
			return fmt.Errorf("%s: %w", place, err)
		}
	}
	return nil
}

type guestUnderWatch struct {
	in   *kernel.Inside
	w    *watch.Watcher
	disk byte // of the virtio disks, the next one
}

func (g *guestUnderWatch) races(place string) (err error) {
	target, err := g.setUp(place)
	if err != nil {
		return err
	}
	if isSlow(place) {
		if err := os.WriteFile(delayFile, []byte(slowDelay), 0); err != nil {
			return err
		}
	}
	if place == besideBusy {
		stop, err2 := g.keepBusy("/dev/vda")
		if err2 != nil {
			return err2
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	if place == offByFour {
		for _, k := range []mutator.Kind{mutator.None, mutator.Once} {
			if err := g.beside(place, target, func() (record.Repro, error) { return writeOffByFour(target, k) }); err != nil {
				return err
			}
		}
		return nil
	}
	for _, cfg := range racesUnderWatch(place) {
		cfg.Target, cfg.Indirect, cfg.Size, cfg.Seed = target, true, 1<<20, 2011
		if err := g.beside(place, target, func() (record.Repro, error) { return repro.Run(context.Background(), cfg, nil) }); err != nil {
			return err
		}
	}
	return nil
}

// racesUnderWatch returns few races, as an emulated processor makes and sums some ten
// writes a second.
func racesUnderWatch(place string) []repro.Config {
	raw := func(k mutator.Kind, gate bool, writes int) repro.Config {
		return repro.Config{Strategy: stablewrite.Raw, Mutator: k, Gate: gate, Writes: writes}
	}
	switch place {
	case plainDisk:
		bounce := repro.Config{Strategy: stablewrite.Bounce, Mutator: mutator.Storm, Writes: 20}
		return []repro.Config{raw(mutator.None, false, 20), raw(mutator.Storm, false, 20), bounce}
	case slowDisk:
		return []repro.Config{raw(mutator.None, false, 5), raw(mutator.Storm, false, 12), raw(mutator.Flip, false, 12), raw(mutator.Once, true, 10)}
	}
	return []repro.Config{raw(mutator.None, false, 10), raw(mutator.Once, true, 10)}
}

// beside runs a race, and reports its result and the Watcher's counts meanwhile. On a
// busy machine a change may be late even for a slow disk: then the race is repeated.
func (g *guestUnderWatch) beside(place string, target *os.File, race func() (record.Repro, error)) error {
	var u underWatch
	for range 5 {
		before, err := g.seen(target)
		if err != nil {
			return err
		}
		rec, err := race()
		if err != nil {
			return fmt.Errorf("%v against %v: %w", rec.Strategy, rec.Mutator, err)
		}
		after, err := g.seen(target)
		if err != nil {
			return err
		}
		u = underWatch{place, rec, since(before, after)}
		if late := int(u.Seen.Changed) < rec.Overlapped && rec.Strategy == stablewrite.Raw; !late || !u.slow() {
			break
		}
	}
	return g.in.Say(u)
}

// setUp makes a place of the next disks.
func (g *guestUnderWatch) setUp(place string) (*os.File, error) {
	next := func() string {
		g.disk++
		return "/dev/vd" + string(g.disk-1)
	}
	switch place {
	case plainDisk:
		return openDisk(next())
	case slowDisk, offByFour:
		return openDisk("/dev/sda")
	}
	v, err := victim.Named(place)
	if err != nil {
		return nil, err
	}
	var disks []string
	for range v.Disks {
		disks = append(disks, next())
	}
	s, err := v.SetUp(disks)
	if err != nil {
		return nil, err
	}
	return s.Target, nil
}

// openDisk opens a disk, which may come a moment after the machine is up.
func openDisk(name string) (f *os.File, err error) {
	for range 2000 {
		if f, err = os.OpenFile(name, os.O_RDWR|unix.O_DIRECT, 0); err == nil || !os.IsNotExist(err) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return f, err
}

// keepBusy writes an unchanging buffer to a disk until it is stopped, and then reports
// the Watcher's counts of these writes.
func (g *guestUnderWatch) keepBusy(name string) (stop func() error, err error) {
	f, err := openDisk(name)
	if err != nil {
		return nil, err
	}
	before, err := g.seen(f)
	if err != nil {
		return nil, err
	}
	u := underWatch{Place: busyDisk, Race: record.Repro{Strategy: stablewrite.Raw, Mutator: mutator.None}}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for p := stablewrite.AlignedBuffer(64 << 10); ; u.Race.Writes++ {
			select {
			case <-quit:
				return
			default:
				if _, err := f.WriteAt(p, 0); err != nil {
					u.Race.WriteErrors++
				}
			}
		}
	}()
	return func() error {
		close(quit)
		<-ended
		after, err := g.seen(f)
		u.Seen = since(before, after)
		return errors.Join(err, g.in.Say(u))
	}, nil
}

// seen adds up the Watcher's counts of direct writes to a device.
func (g *guestUnderWatch) seen(target *os.File) (sum record.Watch, err error) {
	all, err := g.w.Records()
	for _, r := range all {
		sum.Untraced = r.Untraced
		if r.Direct == stablewrite.DirectYes && r.Device == filepath.Base(target.Name()) {
			sum.Writes += r.Writes
			sum.Changed += r.Changed
			sum.Blocks += r.Blocks
			sum.BlocksChanged += r.BlocksChanged
		}
	}
	return sum, err
}

func since(before, after record.Watch) record.Watch {
	after.Writes -= before.Writes
	after.Changed -= before.Changed
	after.Blocks -= before.Blocks
	after.BlocksChanged -= before.BlocksChanged
	return after
}

// writeOffByFour writes from memory that begins 4 bytes behind a page, as SCSI and
// NVMe take it, and with Once changes one byte of each write, in flight.
func writeOffByFour(target *os.File, k mutator.Kind) (record.Repro, error) {
	const bytes, writes = 64 << 10, 10
	rec := record.Repro{Strategy: stablewrite.Raw, Mutator: k, Gate: k == mutator.Once, Size: bytes}
	c, err := aio.New()
	if err != nil {
		return rec, err
	}
	defer c.Close()
	p := stablewrite.AlignedBuffer(bytes + 4096)[4:][:bytes]
	ends := []int{0, 4091, 4092, bytes - 5, bytes - 4, bytes - 1} // of pieces within one page
	for ; rec.Writes < writes; rec.Writes++ {
		if err := c.Submit(target, p, 0); err != nil {
			return rec, err
		}
		if k == mutator.Once {
			p[ends[rec.Writes%len(ends)]]++
			rec.Overlapped++
		}
		if _, err := c.Reap(); err != nil {
			return rec, err
		}
	}
	return rec, nil
}
