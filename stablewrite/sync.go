package stablewrite

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// target is what Files of one inode, block device or Device have in common: the
// order of their writes, and what became of their Syncs.
type target struct {
	rangeLock
	key     any
	files   int    // open, guarded by allTargets.mu
	first   Device // whose descriptor Syncs go out on, until the last File is closed
	disk    *flushed
	syncs   atomic.Uint64 // calls of first.Sync that have begun
	syncing sync.Mutex    // held while one runs
	// cached is how many Files write through the page cache. Meanwhile nothing goes by
	// a ring: of a write that a ring has in flight the file system holds no lock, and a
	// buffered write to the same page can bring back what was there before it, and make
	// fsync fail.
	cached atomic.Int32
}

// flushed is a device that targets lie on. A kernel that lost what a device's cache
// held says so once, to one caller: all on it are marked, until the last File on it
// is closed.
type flushed struct {
	key     any
	targets int // guarded by allTargets.mu

	mu      sync.Mutex
	ended   sync.Cond // on running
	calls   uint64    // so far
	running []uint64  // calls of Device.Sync that have not ended
	failed  error
}

func (d *flushed) begin() (call uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	d.running = append(d.running, d.calls)
	return d.calls
}

// end says what became of a call. It returns when all others have ended that were
// running: one of them may have been told of what this one's data were lost by.
func (d *flushed) end(call uint64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running = slices.DeleteFunc(d.running, func(c uint64) bool { return c == call })
	if err != nil && d.failed == nil {
		d.failed = err
	}
	d.ended.Broadcast()
	for before := d.calls; len(d.running) > 0 && d.running[0] <= before; {
		d.ended.Wait()
	}
}

// allTargets finds targets and their devices of the process.
var allTargets = struct {
	mu    sync.Mutex
	files map[any]*target
	disks map[any]*flushed
}{files: map[any]*target{}, disks: map[any]*flushed{}}

// targetOf returns the target known by key, on the device known by diskKey, for one
// more File, whose Device is d, and whether Syncs go out on d.
// Release it as often.
func targetOf(key, diskKey any, d Device) (m *target, first bool) {
	allTargets.mu.Lock()
	defer allTargets.mu.Unlock()
	m = allTargets.files[key]
	if first = m == nil; first {
		on := allTargets.disks[diskKey]
		if on == nil {
			on = &flushed{key: diskKey}
			on.ended.L = &on.mu
			allTargets.disks[diskKey] = on
		}
		on.targets++
		m = &target{key: key, first: d, disk: on}
		allTargets.files[key] = m
	}
	m.files++
	return m, first || key == any(d) // which is one Device for all its Files
}

// release gives m back, for a File whose Device is d, the first or not. It returns
// what is to be closed: d, if it is not the first, and by the last File the first.
func (m *target) release(d Device, first bool) (closing []Device) {
	allTargets.mu.Lock()
	defer allTargets.mu.Unlock()
	if !first {
		closing = append(closing, d)
	}
	if m.files--; m.files > 0 {
		return closing
	}
	delete(allTargets.files, m.key)
	if m.disk.targets--; m.disk.targets == 0 {
		delete(allTargets.disks, m.disk.key)
	}
	return append(closing, m.first)
}

// sync makes durable what landed before, or returns why that is not certain any
// more. Concurrent ones share a call. One that comes while a call runs waits for the
// next: that call may have begun before its writes landed.
func (m *target) sync(wrap func(error) error) error {
	if err := m.failed(); err != nil {
		return err
	}
	before := m.syncs.Load()
	m.syncing.Lock()
	defer m.syncing.Unlock()
	if m.syncs.Load() == before { // else a call began since, and has ended
		m.flush(wrap)
	}
	return m.failed()
}

func (m *target) flush(wrap func(error) error) {
	m.syncs.Add(1)
	call, err := m.disk.begin(), errors.New("the Device panicked")
	defer func() {
		if err != nil {
			err = wrap(err)
		}
		m.disk.end(call, err) // before anybody learns that the call ended
	}()
	err = m.first.Sync()
}

func (m *target) failed() error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	return m.disk.failed
}

// deviceKey tells Devices apart. Pointers to nothing may all be equal.
func deviceKey(d Device) any {
	if v := reflect.ValueOf(d); v.Kind() == reflect.Pointer && v.Type().Elem().Size() > 0 {
		return d
	}
	return new(byte)
}
