//go:build amd64

package watch

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// memories are the kinds of memory, by the number that the kernel's side has for
// them.
var memories = [...]record.Memory{1: record.Anonymous, record.Mapped, record.Shared, record.Swap, record.PageCache, record.Metadata, record.KernelOwn}

// hooks are attached in this order: of each, the levels one after the other, and
// nothing is queued that could complete unseen.
var hooks = []string{
	"on_rq_complete", "on_rq_complete_2", "on_rq_complete_3", "on_bio_complete", "on_bio_complete_2", "on_bio_complete_3", "on_queue", "on_queue_2", "on_queue_3",
}

// Watcher watches writes until Stop.
type Watcher struct {
	o      Options
	k      *kernel
	began  uint64 // CLOCK_MONOTONIC
	events *ringbuf.Reader
	read   chan struct{} // closed when all events were read

	mu    sync.Mutex
	known map[who]*known
	names map[uint32]place // by device
}

// known is what was found out about a row when it was first seen to change.
type known struct {
	change record.Change
	file   string
}

// place is where writes went.
type place struct {
	name   string
	layers []record.Layer
}

// Start begins to watch. What stands against it is the error, with what to do
// about it.
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
	sizes := map[string]uint32{}
	if o.rows != 0 {
		sizes["rows"] = o.rows
	}
	if o.inFlight != 0 {
		sizes["in_flight"] = o.inFlight
	}
	var comm [16]byte
	copy(comm[:], o.Comm)
	flag := func(on bool) uint8 {
		if on {
			return 1
		}
		return 0
	}
	k, err := load(map[string]any{
		"sample": uint32(o.Sample), "most": uint32(o.MaxBlocks), "every_kind": flag(o.All), "stacks": flag(o.Stacks),
		"by_process": flag(o.PID != 0 || o.Children), "by_comm": flag(o.Comm != ""), "only_comm": comm, "by_device": flag(len(o.Devices) > 0),
	}, sizes, append([]string{"on_fork", "on_exit"}, hooks...)...)
	if err != nil {
		return nil, err
	}
	w := &Watcher{o: o, k: k, read: make(chan struct{}), known: map[who]*known{}, names: map[uint32]place{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.Close())
		}
	}()
	for _, dev := range devices {
		if err := k.Maps["devices"].Put(dev, uint8(1)); err != nil {
			return nil, fmt.Errorf("more devices than can be told apart: %w", err)
		}
	}
	for m := range memories[1:] { // for programs that there is no room for
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
	switch tgid := statusField(pid, "Tgid"); tgid {
	case "":
		return fmt.Errorf("no process has the PID %d", pid)
	case fmt.Sprint(pid):
		return nil
	default:
		return fmt.Errorf("%d is a thread of process %s: name that", pid, tgid)
	}
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
		if err := decode(rec.RawSample, &e); err != nil {
			continue // never: the kernel's side writes nothing else
		}
		w.keep(e)
	}
}

// keep keeps e as the example of its row, if it is the first, and finds out what a
// process that has ended cannot tell any more.
func (w *Watcher) keep(e event) {
	w.mu.Lock()
	_, again := w.known[e.Who]
	w.mu.Unlock()
	if again {
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
	w.mu.Lock()
	w.known[e.Who] = k
	w.mu.Unlock()
	if direct && w.o.OnChanged != nil {
		w.o.OnChanged(w.record(e.Who, row{Writes: 1, Changed: 1, Blocks: uint64(e.Blocks), BlocksChanged: uint64(e.Changed)}))
	}
}

// placeOf is what is known of a device; its name stays when it goes.
func (w *Watcher) placeOf(dev uint32) place {
	w.mu.Lock()
	p, ok := w.names[dev]
	w.mu.Unlock()
	if !ok {
		p = place{deviceName(dev), layersOf(dev)}
		w.mu.Lock()
		w.names[dev] = p
		w.mu.Unlock()
	}
	return p
}

// record is the Record of a row, without what is of the whole run.
func (w *Watcher) record(of who, r row) record.Watch {
	at := w.placeOf(of.Device)
	memory := memories[of.Memory]
	rec := record.Watch{
		Kind: record.KindWatch, Comm: unix.ByteSliceToString(of.Comm[:]), PID: int(of.TGID), Cgroup: cgroupPath(of.Cgroup),
		Memory: memory, Direct: memory.Directness(), Device: at.name, Layers: at.layers,
		Writes: int64(r.Writes), Changed: int64(r.Changed), Blocks: int64(r.Blocks), BlocksChanged: int64(r.BlocksChanged), Truncated: int64(r.Truncated),
		Sample: w.o.Sample, MaxBlocks: w.o.MaxBlocks, Version: record.Version,
	}
	if r.FirstChanged != 0 {
		s := float64(r.FirstChanged-w.began) / 1e9
		rec.FirstSeconds = &s
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := w.known[of]; k != nil {
		rec.Example, rec.File = &k.change, k.file
	}
	return rec
}

// Records returns what was seen so far: a Record of each program, kind of memory
// and device, those with the most direct writes that changed first.
func (w *Watcher) Records() ([]record.Watch, error) {
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
	if err := rows.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) { // aborted: rows come while they are read
		return nil, err
	}
	slices.SortFunc(all, func(a, b record.Watch) int {
		return cmp.Or(compareDirect(a, b), cmp.Compare(b.Changed, a.Changed), cmp.Compare(b.Writes, a.Writes), cmp.Compare(a.PID, b.PID), cmp.Compare(a.Device, b.Device))
	})
	c, err := w.counts()
	if err != nil {
		return nil, err
	}
	missed, err := w.missed()
	if err != nil {
		return nil, err
	}
	if len(all) == 0 { // that there was nothing is a result, too
		all = []record.Watch{{Kind: record.KindWatch, Sample: w.o.Sample, MaxBlocks: w.o.MaxBlocks, Version: record.Version}}
	}
	system, seconds := record.SystemOf(nil), float64(monotonic()-w.began)/1e9
	for i := range all {
		all[i].System, all[i].Seconds = system, seconds
		all[i].Bios, all[i].Unnamed = int64(c.Seen-c.Below), int64(c.Nobody)
		all[i].Untraced = int64(c.NoRoom + c.Unreadable + c.Replaced + missed)
	}
	return all, nil
}

// compareDirect puts direct writes first.
func compareDirect(a, b record.Watch) int {
	yes := stablewrite.DirectYes
	switch {
	case a.Direct == yes && b.Direct != yes:
		return -1
	case a.Direct != yes && b.Direct == yes:
		return 1
	}
	return 0
}

// counts adds up what every processor counted.
func (w *Watcher) counts() (sum counts, err error) {
	var each []counts
	if err := w.k.Maps["counters"].Lookup(uint32(0), &each); err != nil {
		return sum, err
	}
	for _, c := range each {
		sum.add(c)
	}
	return sum, nil
}

// missed is how many queued bios were not seen, since a processor was at another.
func (w *Watcher) missed() (uint64, error) {
	stats, err := w.k.Programs["on_queue_3"].Stats()
	if err != nil {
		return 0, err
	}
	return stats.RecursionMisses, nil
}

// drain is how long Stop waits for writes that are in flight.
const drain = 2 * time.Second

// Stop takes up no more writes, waits for those in flight, two seconds at most,
// and returns what was seen. Writes still in flight then count as untraced.
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

// inFlight counts the writes that were looked at once.
func (w *Watcher) inFlight() (n int) {
	var key, next uint64
	in := w.k.Maps["in_flight"]
	for err := in.NextKey(nil, &next); err == nil; err = in.NextKey(key, &next) {
		key = next
		n++
	}
	return n
}

// Close detaches everything. It may be called more than once.
func (w *Watcher) Close() error {
	err := w.events.Close()
	<-w.read
	return errors.Join(err, w.k.Close())
}
