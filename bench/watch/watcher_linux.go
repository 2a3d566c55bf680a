//go:build amd64

package watch

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// memories are the kinds of memory, by their numbers in bpf/watch.bpf.c.
var memories = [...]record.Memory{1: record.Anonymous, record.Mapped, record.Shared, record.Swap, record.PageCache, record.Metadata, record.KernelOwn}

// hooks are the programs in the order in which they are attached: the levels of each
// one after the other, and completions before submissions, so that no write is queued
// whose completion is not seen.
var hooks = []string{
	"on_rq_complete", "on_rq_complete_2", "on_rq_complete_3",
	"on_bio_complete", "on_bio_complete_2", "on_bio_complete_3",
	"on_queue", "on_queue_2", "on_queue_3",
}

// Watcher watches writes until Stop.
type Watcher struct {
	o      Options
	k      *kernel
	began  uint64 // CLOCK_MONOTONIC
	events *ringbuf.Reader
	read   chan struct{} // closed when all events were read
	known  sync.Map      // the known of each who that changed
	places sync.Map      // the place of each number of a device
}

// known has the findings of the first change of a row.
type known struct {
	change record.Change
	file   string
}

// place is a device and what writes to it pass.
type place struct {
	name   string
	layers []record.Layer
}

// Start begins to watch. Its errors say why this machine cannot be watched, and what to
// do about it.
func Start(o Options) (_ *Watcher, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	devices, err := numbersOf(o.Devices)
	if err != nil {
		return nil, err
	}
	if o.PID != 0 {
		if err := isProcess(o.PID); err != nil {
			return nil, err
		}
	}
	var comm [16]byte
	copy(comm[:], o.Comm)
	k, err := load(map[string]any{
		"sample": uint32(o.Sample), "most": uint32(o.MaxBlocks), "every_kind": o.All, "stacks": o.Stacks,
		"by_process": o.PID != 0 || o.Children, "by_comm": o.Comm != "", "only_comm": comm,
		"by_device": len(o.Devices) > 0,
	}, map[string]uint32{"rows": o.rows, "in_flight": o.inFlight}, append([]string{"on_fork", "on_exit"}, hooks...)...)
	if err != nil {
		return nil, err
	}
	w := &Watcher{o: o, k: k, read: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.Close())
		}
	}()
	for _, dev := range devices {
		if err := k.Maps["devices"].Put(dev, uint8(1)); err != nil {
			return nil, fmt.Errorf("too many devices: %w: name fewer", err)
		}
	}
	for m := range memories[1:] { // rows for the programs that have no row because the map is full
		if err := k.Maps["rows"].Put(who{Memory: uint32(m + 1)}, row{}); err != nil {
			return nil, err
		}
	}
	root := o.PID
	if o.Children {
		root = os.Getpid()
	}
	if root != 0 {
		if err := k.Maps["processes"].Put(uint32(root), uint8(1)); err != nil {
			return nil, err
		}
		if err := k.attach("on_fork", "on_exit"); err != nil {
			return nil, err
		}
	}
	if w.events, err = ringbuf.NewReader(k.Maps["events"]); err != nil {
		return nil, err
	}
	w.began = monotonic()
	if err := k.attach(hooks...); err != nil {
		return nil, errors.Join(err, w.events.Close())
	}
	go w.readEvents()
	return w, nil
}

// isProcess refuses a number that no process has.
func isProcess(pid int) error {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/[0-9]*/task/%d", pid))
	if len(tasks) == 0 {
		return fmt.Errorf("no process has the PID %d", pid)
	}
	if process := strings.Split(tasks[0], "/")[2]; process != strconv.Itoa(pid) {
		return fmt.Errorf("%d is a thread of process %s: name the process", pid, process)
	}
	return nil
}

func monotonic() uint64 {
	var t unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &t)
	return uint64(t.Nano())
}

// readEvents keeps an example of each row.
func (w *Watcher) readEvents() {
	defer close(w.read)
	for {
		rec, err := w.events.Read()
		if err != nil {
			return
		}
		var e event
		if _, err := binary.Decode(rec.RawSample, binary.NativeEndian, &e); err == nil {
			w.keep(e)
		}
	}
}

// keep keeps e as the example of its row if e is the first, and looks up the file now:
// the process may end soon.
func (w *Watcher) keep(e event) {
	if _, again := w.known.Load(e.Who); again {
		return
	}
	k := &known{change: record.Change{
		Sector: e.Sector, Bytes: int64(e.Size), Block: int64(e.At / pageSize), Blocks: int64(e.Changed), InFlightNS: int64(e.InFlight),
	}}
	if w.o.Stacks {
		k.change.Stack = symbols(int(e.Who.TGID), e.Stack[:])
	}
	direct := memories[e.Who.Memory].Directness() == stablewrite.DirectYes
	if direct && e.Who.TGID != 0 {
		k.file = fileOf(int(e.Who.TGID), e.Who.Device, e.Sector+e.At/512)
	}
	w.known.Store(e.Who, k)
	if direct && w.o.OnChanged != nil {
		w.o.OnChanged(w.record(e.Who, row{Writes: 1, Changed: 1, Blocks: uint64(e.Blocks), BlocksChanged: uint64(e.Changed)}))
	}
}

// placeOf returns the place of a device, also when the device has gone since.
func (w *Watcher) placeOf(dev uint32) place {
	p, ok := w.places.Load(dev)
	if !ok {
		p, _ = w.places.LoadOrStore(dev, place{deviceName(dev), layersOf(dev)})
	}
	return p.(place)
}

// record returns the Record of a row, without the fields of the whole run.
func (w *Watcher) record(of who, r row) record.Watch {
	at := w.placeOf(of.Device)
	memory := memories[of.Memory]
	rec := record.Watch{
		Kind: record.KindWatch,
		Comm: unix.ByteSliceToString(of.Comm[:]), PID: int(of.TGID), Cgroup: cgroupPath(of.Cgroup),
		Memory: memory, Direct: memory.Directness(), Device: at.name, Layers: at.layers,
		Writes: int64(r.Writes), Changed: int64(r.Changed),
		Blocks: int64(r.Blocks), BlocksChanged: int64(r.BlocksChanged), Truncated: int64(r.Truncated),
		Sample: w.o.Sample, MaxBlocks: w.o.MaxBlocks, Version: record.Version,
	}
	if r.FirstChanged != 0 {
		rec.FirstSeconds = new(float64(r.FirstChanged-w.began) / 1e9)
	}
	if k, ok := w.known.Load(of); ok {
		rec.Example, rec.File = &k.(*known).change, k.(*known).file
	}
	return rec
}

// Records returns the results so far: a Record for each program, kind of memory and
// device. Direct writes come first, then the most changed writes. A nil Watcher has none.
func (w *Watcher) Records() ([]record.Watch, error) {
	if w == nil {
		return nil, nil
	}
	var all []record.Watch
	var of who
	var r row
	rows := w.k.Maps["rows"].Iterate()
	for rows.Next(&of, &r) {
		if r.Writes == 0 {
			continue
		}
		all = append(all, w.record(of, r))
	}
	if err := rows.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) { // aborted: rows were added meanwhile
		return nil, err
	}
	rank := func(r record.Watch) int {
		if isDirect(r) {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b record.Watch) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Changed, a.Changed), cmp.Compare(b.Writes, a.Writes),
			cmp.Compare(a.PID, b.PID), cmp.Compare(a.Device, b.Device))
	})
	c, err := w.counts()
	if err != nil {
		return nil, err
	}
	// A bio was missed if its processor was busy with other bios on all levels.
	last, err := w.k.Programs["on_queue_3"].Stats()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 { // no writes is a result, too
		all = []record.Watch{{Kind: record.KindWatch, Comm: w.o.Comm, Sample: w.o.Sample, MaxBlocks: w.o.MaxBlocks, Version: record.Version}}
	}
	system, seconds := record.SystemOf(nil), float64(monotonic()-w.began)/1e9
	for i := range all {
		all[i].System, all[i].Seconds = system, seconds
		all[i].Bios, all[i].Unnamed = int64(c[countSeen]-c[countBelow]), int64(c[countNobody])
		all[i].Untraced = int64(c[countNoRoom] + c[countUnreadable] + c[countReplaced] + last.RecursionMisses)
	}
	return all, nil
}

// counts returns the sum of the counts of all processors.
func (w *Watcher) counts() (sum counts, err error) {
	var each []counts
	if err := w.k.Maps["counters"].Lookup(uint32(0), &each); err != nil {
		return sum, err
	}
	for _, c := range each {
		for i, n := range c {
			sum[i] += n
		}
	}
	return sum, nil
}

// drain is how long Stop waits for writes in flight.
const drain = 2 * time.Second

// Stop looks at no further writes, waits for those in flight, two seconds at most, and
// returns the results. Writes that are still in flight then count as untraced.
func (w *Watcher) Stop() ([]record.Watch, error) {
	if err := w.k.Variables["stopping"].Set(uint8(1)); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	left := w.inFlight()
	for end := time.Now().Add(drain); left > 0 && time.Now().Before(end); left = w.inFlight() {
		time.Sleep(time.Millisecond)
	}
	err := w.k.detach()
	w.events.Flush()
	<-w.read
	all, err2 := w.Records()
	for i := range all {
		all[i].Untraced += int64(left)
	}
	return all, errors.Join(err, err2, w.Close())
}

// inFlight counts the writes that were queued and have not completed.
func (w *Watcher) inFlight() (n int) {
	var key, next uint64
	in := w.k.Maps["in_flight"]
	for err := in.NextKey(nil, &next); err == nil; err = in.NextKey(key, &next) {
		key = next
		n++
	}
	return n
}

// Close detaches all programs. It may be called more than once.
func (w *Watcher) Close() error {
	err := w.events.Close()
	<-w.read
	return errors.Join(err, w.k.Close())
}
