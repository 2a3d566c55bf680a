package stablewrite

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
)

// target is shared by the Files of one inode, block device or Device. It has the order of
// their writes, and the results of their Syncs.
type target struct {
	rangeLock
	key     any
	files   int    // open, guarded by allTargets.mu
	first   Device // Syncs go out on it until the last File is closed
	disk    *flushed
	syncs   atomic.Uint64 // calls of first.Sync that have begun
	syncing sync.Mutex    // held while one runs
	// cached counts Files that write through the page cache. While there are any, nothing
	// goes by a ring: the file system holds no lock for a write that a ring has in flight,
	// and a buffered write to the same page can bring back old bytes, and make fsync fail.
	cached atomic.Int32
}

// flushed is a device that has targets. If the kernel loses data of the device's cache, it
// reports that once, to one caller. So the error is kept for all targets on the device,
// until the last File on it is closed.
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

// end stores the result of a call. It returns when all calls that are running have ended:
// the kernel may have reported to one of them the loss of data that this call covers.
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

// targetOf returns the target of key, on the device of diskKey, for one more File, with
// Device d, and whether Syncs go out on d. Each call needs a release.
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
	return m, first || key == any(d) // a Device that is the key is the first of all its Files
}

// release leaves m, for a File with Device d, on which Syncs go out if first. It returns
// the Devices to close: d if it is not the first, and the first with the last File.
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

// sync makes durable all writes that landed before. Concurrent calls share one Sync of the
// Device. A call that comes while a Sync runs waits for the next one: the current one may
// have begun before the writes of the caller landed.
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
	defer func() { m.disk.end(call, wrap(err)) }() // before another caller learns that the call ended
	err = m.first.Sync()
}

func (m *target) failed() error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	return m.disk.failed
}

// deviceKey returns a key for d. Pointers to values of size 0 may all be equal, so they
// cannot be keys.
func deviceKey(d Device) any {
	if v := reflect.ValueOf(d); v.Kind() == reflect.Pointer && v.Type().Elem().Size() > 0 {
		return d
	}
	return new(byte)
}
