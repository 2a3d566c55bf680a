package stablewrite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"stablepages/crcguard"
	"stablepages/stablewrite/testenv"
)

// A party is the writers of one process: several Files at a time on a few files,
// several goroutines on each File, strategies mixed, one small Pool. It runs in
// the test's process or in a child.
type party struct {
	Process  uint8
	Files    []string
	From, To int64 // its blocks of every file
	Seed     uint64

	moving      []byte
	tell        func(note)
	stop        atomic.Bool
	pool        *Pool
	ids         atomic.Uint32
	resubmitted atomic.Int64
	mu          sync.Mutex
	err         error
}

// The blocks of a file: some that nobody writes, then those of each process.
const (
	quietBlocks = 16
	partyBlocks = 96
	fileBlocks  = quietBlocks + 2*partyBlocks

	movingBytes = 64 * kib4
	partyPool   = 160 << 10 // a few segments: less than all want at once
	desks       = 4
	hands       = 3 // at a desk
)

// newParty returns that of a process, 0 or 1.
func newParty(process uint8, files []string, seed uint64) *party {
	from := quietBlocks + int64(process)*partyBlocks
	return &party{Process: process, Files: files, From: from, To: from + partyBlocks, Seed: seed}
}

// newPartyFiles makes the files of parties: quiet blocks, then a hole.
func newPartyFiles(t *testing.T, l *ledger, names ...string) {
	t.Helper()
	for i, name := range names {
		if err := errors.Join(os.WriteFile(name, quiet(), 0o600), os.Truncate(name, fileBlocks*kib4)); err != nil {
			t.Fatal(err)
		}
		l.found(uint8(i), testenv.Media(t, name))
	}
}

// quiet is what the blocks hold that nobody writes.
func quiet() []byte {
	p := make([]byte, quietBlocks*kib4)
	for i := range p {
		p[i] = byte(i*7 + i/251)
	}
	return p
}

// fail stops the party.
func (p *party) fail(err error) {
	p.mu.Lock()
	p.err = errors.Join(p.err, err)
	p.mu.Unlock()
	p.stop.Store(true)
}

// run writes from memory that moves until it is stopped, and tells of every
// write. It says what failed, and what is left behind.
func (p *party) run(moving []byte, tell func(note)) error {
	p.moving, p.tell, p.pool = moving, tell, NewPool(partyPool)
	var wg sync.WaitGroup
	for k := range desks {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(p.Seed, uint64(p.Process)<<8+uint64(k)))
			for !p.stop.Load() {
				if err := p.desk(rng); err != nil {
					p.fail(err)
				}
			}
		})
	}
	wg.Wait()
	if peak := p.pool.Peak(); peak > partyPool || p.pool.inUse != 0 || p.pool.next != p.pool.serving {
		p.fail(fmt.Errorf("of a Pool of %d bytes %d were in use at a time and %d are now; %d asked, %d were served",
			partyPool, peak, p.pool.inUse, p.pool.next, p.pool.serving))
	}
	return p.err
}

// desk opens a File, writes with several hands, and closes it.
func (p *party) desk(rng *rand.Rand) error {
	file, strategy := rng.IntN(len(p.Files)), Strategies()[rng.IntN(len(Strategies()))]
	f, err := Open(p.Files[file], Options{
		Strategy: strategy, Pool: p.pool, SegmentBytes: (1 + rng.IntN(16)) * kib4, Resubmit: Resubmit(rng.IntN(2)),
	})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for range hands {
		h := &hand{
			party: p, f: f, file: uint8(file), rng: rand.New(rand.NewPCG(rng.Uint64(), 0)),
			still: AlignedBuffer(mostBlocks * kib4), sums: make([]uint32, mostBlocks),
		}
		wg.Go(func() {
			for range 50 {
				if p.stop.Load() {
					return
				}
				if err := h.act(); err != nil {
					p.fail(fmt.Errorf("%v: %w", strategy, err))
				}
			}
		})
	}
	wg.Wait()
	p.resubmitted.Add(f.Stats().Resubmitted)
	return f.Close()
}

// hand is one goroutine at a desk.
type hand struct {
	*party
	f     *File
	file  uint8
	rng   *rand.Rand
	still []byte // its own
	sums  []uint32
	w     Write
}

// acts are the kinds of things that a hand does, each as often as it is named.
// Further ways to write join here.
var acts = []func(*hand) error{
	(*hand).do, (*hand).do, (*hand).do, (*hand).do, (*hand).do, (*hand).do,
	(*hand).writeAt, (*hand).writeAt,
	(*hand).read, (*hand).read,
	(*hand).readQuiet,
}

func (h *hand) act() error {
	if h.rng.IntN(64) == 0 {
		return h.f.Sync()
	}
	return acts[h.rng.IntN(len(acts))](h)
}

// announce chooses a place and tells that a write begins there.
func (h *hand) announce() note {
	n := note{Process: h.Process, File: h.file, Strategy: h.f.opts.Strategy, ID: h.ids.Add(1), Blocks: 1 + h.rng.Int32N(mostBlocks)}
	n.Block = h.From + h.rng.Int64N(h.To-h.From-int64(n.Blocks)+1)
	h.tell(n)
	return n
}

// returned tells what a write came to.
func (h *hand) returned(n note, good, spoiled int, sums []uint32) {
	n.Returned, n.Good, n.Spoiled = true, int32(good), int32(spoiled)
	copy(n.Sums[:], sums[:good])
	h.tell(n)
}

// fillStill makes the hand's own memory new.
func (h *hand) fillStill(blocks int32) []byte {
	p := h.still[:blocks*kib4]
	for i := range p[:len(p)/64] {
		binary.LittleEndian.PutUint64(p[i*64:], h.rng.Uint64())
	}
	crcguard.ChecksumBlocks(p, h.sums)
	return p
}

// do writes from memory that moves, where that is healed or seen, and goes by
// the receipt.
func (h *hand) do() error {
	n := h.announce()
	size := int(n.Blocks) * kib4
	h.w.Buf, h.w.Off, h.w.Sums = nil, n.Block*kib4, h.sums
	if promise := h.f.opts.Strategy.Promise(); promise.Changed {
		at := h.rng.IntN(len(h.moving)-size) &^ (kib4 - 1)
		if h.rng.IntN(8) == 0 { // not aligned for any device
			at += 8 * (1 + h.rng.IntN(7))
		}
		h.w.Buf = h.moving[at : at+size]
	} else {
		h.w.Buf = h.fillStill(n.Blocks)
	}
	err := h.f.Do(&h.w)
	var we *WriteError
	switch r := h.w.Receipt; {
	case err == nil && r.N != size, r.Summed && r.Sum != combined(h.sums[:r.N/kib4]):
		return fmt.Errorf("%d blocks: receipt %+v, sums %#x", n.Blocks, r, h.sums[:n.Blocks])
	case err == nil:
		h.returned(n, int(n.Blocks), 0, h.sums)
	case errors.Is(err, ErrChanged) && h.f.opts.Strategy.Promise().Refuses && errors.As(err, &we) && r.N == we.Good:
		h.returned(n, we.Good/kib4, we.Spoiled/kib4, h.sums)
	default:
		return err
	}
	return nil
}

func combined(sums []uint32) (sum uint32) {
	for _, s := range sums {
		sum = crcguard.Combine(sum, s, kib4)
	}
	return sum
}

// writeAt writes memory of its own, whose sums it knows.
func (h *hand) writeAt() error {
	n := h.announce()
	p := h.fillStill(n.Blocks)
	if k, err := h.f.WriteAt(p, n.Block*kib4); err != nil || k != len(p) {
		return fmt.Errorf("WriteAt of %d blocks: %d, %w", n.Blocks, k, err)
	}
	h.returned(n, int(n.Blocks), 0, h.sums)
	return nil
}

// read reads any range, while it is written.
func (h *hand) read() error {
	off := h.rng.IntN(fileBlocks * kib4)
	p := make([]byte, 1+h.rng.IntN(100_000))
	k, err := h.f.ReadAt(p, int64(off))
	if want := min(len(p), fileBlocks*kib4-off); k != want || err != nil && err != io.EOF {
		return fmt.Errorf("ReadAt of %d at %d: %d, %w", len(p), off, k, err)
	}
	return nil
}

// readQuiet reads what nobody writes.
func (h *hand) readQuiet() error {
	want := quiet()
	off := h.rng.IntN(len(want))
	p := make([]byte, 1+h.rng.IntN(len(want)-off))
	if k, err := h.f.ReadAt(p, int64(off)); k != len(p) || err != nil || !bytes.Equal(p, want[off:off+k]) {
		return fmt.Errorf("ReadAt of %d at %d, where nobody writes: %d, %w, or wrong bytes", len(p), off, k, err)
	}
	return nil
}
