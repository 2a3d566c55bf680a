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

	"stablepages/bench/testenv"
	"stablepages/crcguard"
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

// newParty returns the party of a process, 0 or 1.
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

// quiet returns the content of the blocks that nobody writes.
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

// run writes from memory that moves until it is stopped, and notes every write. It
// returns what failed, and the resources left behind.
func (p *party) run(moving []byte, tell func(note)) error {
	p.moving, p.tell, p.pool = moving, tell, NewPool(partyPool)
	var wg sync.WaitGroup
	for k := range desks {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(p.Seed, uint64(p.Process)<<8+uint64(k)))
			for turn := int(p.Seed) + k; !p.stop.Load(); turn++ {
				if err := p.desk(rng, Strategies()[turn%len(Strategies())]); err != nil {
					p.fail(err)
				}
			}
		})
	}
	wg.Wait()
	if peak, _, _ := p.pool.use(); peak > partyPool || p.pool.inUse != 0 || len(p.pool.waiting) > 0 {
		p.fail(fmt.Errorf("a Pool of %d bytes: %d were in use at a time, and %d are now",
			partyPool, peak, p.pool.inUse))
	}
	return p.err
}

// desk opens a File, writes with several hands, and closes it.
func (p *party) desk(rng *rand.Rand, strategy Strategy) error {
	file := rng.IntN(len(p.Files))
	f, err := Open(p.Files[file], Options{
		Strategy: strategy, Pool: p.pool, SegmentBytes: (1 + rng.IntN(16)) * kib4, Resubmit: Resubmit(rng.IntN(2)),
	})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for range hands {
		h := &hand{party: p, f: f, file: uint8(file), rng: rand.New(rand.NewPCG(rng.Uint64(), 0))}
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
	f       *File
	file    uint8
	rng     *rand.Rand
	errands [4]errand
}

// errand is a write of a hand.
type errand struct {
	note
	w     Write
	still []byte // memory that does not change
	sums  [mostBlocks]uint32
}

// acts lists the actions of a hand. An action that stands here twice is chosen twice as
// often.
var acts = []func(*hand) error{
	(*hand).do, (*hand).do, (*hand).do, (*hand).do, (*hand).do, (*hand).do,
	(*hand).writeAt, (*hand).writeAt,
	(*hand).queue,
	(*hand).stream, (*hand).stream,
	(*hand).read, (*hand).read,
	(*hand).readQuiet,
}

func (h *hand) act() error {
	if h.rng.IntN(64) == 0 {
		return h.f.Sync()
	}
	return acts[h.rng.IntN(len(acts))](h)
}

// place chooses where to write.
func (h *hand) place() note {
	n := note{Process: h.Process, File: h.file, Strategy: h.f.opts.Strategy, ID: h.ids.Add(1), Blocks: 1 + h.rng.Int32N(mostBlocks)}
	n.Block = h.From + h.rng.Int64N(h.To-h.From-int64(n.Blocks)+1)
	return n
}

// returned notes the result of a write.
func (h *hand) returned(n note, good, spoiled int, sums []uint32) {
	n.Returned, n.Good, n.Spoiled = true, int32(good), int32(spoiled)
	copy(n.Sums[:], sums[:good])
	h.tell(n)
}

// fillStill fills the still memory of j with new bytes, sums them, and returns them.
func (h *hand) fillStill(j *errand) []byte {
	if j.still == nil {
		j.still = AlignedBuffer(mostBlocks * kib4)
	}
	p := j.still[:j.Blocks*kib4]
	for i := range p[:len(p)/64] {
		binary.LittleEndian.PutUint64(p[i*64:], h.rng.Uint64())
	}
	crcguard.ChecksumBlocks(p, j.sums[:])
	return p
}

// window is a part of the memory that moves.
func (h *hand) window(n, align int) []byte {
	at := h.rng.IntN(len(h.moving)-n) / align * align
	return h.moving[at : at+n]
}

// prepare chooses the bytes that j writes, and notes that it begins. If the strategy heals
// or sees changes, the bytes are in memory that moves.
func (h *hand) prepare(j *errand) {
	j.note = h.place()
	j.w.Off, j.w.Sums = j.Block*kib4, j.sums[:]
	align := kib4
	if h.rng.IntN(8) == 0 {
		align = 8 // too little for any device
	}
	if h.f.opts.Strategy.Promise().Changed {
		j.w.Buf = h.window(int(j.Blocks)*kib4, align)
	} else {
		j.w.Buf = h.fillStill(j)
	}
	h.tell(j.note)
}

// finish notes the result of j, by its receipt.
func (h *hand) finish(j *errand) error {
	var we *WriteError
	switch r, err := j.w.Receipt, j.w.Err; {
	case err == nil && r.N != len(j.w.Buf), r.Summed && r.Sum != combined(j.sums[:r.N/kib4]):
		return fmt.Errorf("%d blocks: receipt %+v, sums %#x", j.Blocks, r, j.sums[:j.Blocks])
	case err == nil:
		h.returned(j.note, int(j.Blocks), 0, j.sums[:])
	case errors.Is(err, ErrChanged) && h.f.opts.Strategy.Promise().Refuses && errors.As(err, &we) && r.N == we.Good:
		h.returned(j.note, we.Good/kib4, we.Spoiled/kib4, j.sums[:])
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

func (h *hand) do() error {
	j := &h.errands[0]
	h.prepare(j)
	h.f.Do(&j.w)
	return h.finish(j)
}

// writeAt writes memory whose sums it knows.
func (h *hand) writeAt() error {
	j := &h.errands[0]
	j.note = h.place()
	p := h.fillStill(j)
	h.tell(j.note)
	if k, err := h.f.WriteAt(p, j.Block*kib4); err != nil || k != len(p) {
		return fmt.Errorf("WriteAt of %d blocks: %d, %v", j.Blocks, k, err)
	}
	h.returned(j.note, int(j.Blocks), 0, j.sums[:])
	return nil
}

// queue starts all errands in one Queue, three times over.
func (h *hand) queue() error {
	q := h.f.Queue(len(h.errands))
	defer q.Close()
	for i := range h.errands {
		h.prepare(&h.errands[i])
		if err := q.Start(&h.errands[i].w); err != nil {
			return err
		}
	}
	again := 2 * len(h.errands)
	for w := range q.Drain() {
		for i := range h.errands {
			if j := &h.errands[i]; &j.w == w {
				if err := h.finish(j); err != nil {
					return err
				}
				if again--; again >= 0 && !h.stop.Load() {
					h.prepare(j)
					if err := q.Start(w); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// stream writes by a Stream. A Stream of a single part is noted as one write. The parts
// of a longer one go out one by one, so each block is noted as a write. The sum of a
// block is unknown if the Stream writes only a part of it, or flushes in its middle:
// others may have written between its parts.
func (h *hand) stream() error {
	n := h.place()
	begin, end := n.Block*kib4, (n.Block+int64(n.Blocks))*kib4
	single := end-begin <= int64(h.f.segment/h.f.grain()*h.f.grain())
	notes := []note{n}
	if !single {
		notes = n.divided(h.ids.Add)
		begin, end = begin+h.rng.Int64N(2)*h.rng.Int64N(kib4), end-h.rng.Int64N(2)*h.rng.Int64N(kib4)
	}
	for _, n := range notes {
		h.tell(n)
	}
	sums := map[int64]uint32{} // by block
	s := h.f.StreamAt(begin)
	s.BlockSums = func(off int64, more []uint32) {
		for i, sum := range more {
			sums[off/kib4+int64(i)] = sum
		}
	}
	inParts, err := h.pour(s, h.window(int(end-begin), 1), !single)
	if err != nil {
		return err
	}
	if want := int((end-1)/kib4 - begin/kib4 + 1); len(sums) != want {
		return fmt.Errorf("a Stream from %d to %d reported %d blocks", begin, end, len(sums))
	}
	for _, n := range notes {
		var known []uint32
		for b := n.Block; b < n.Block+int64(n.Blocks); b++ {
			if begin <= b*kib4 && (b+1)*kib4 <= end && !inParts[b] {
				known = append(known, sums[b])
			}
		}
		h.returned(n, len(known), int(n.Blocks)-len(known), known)
	}
	return nil
}

// divided returns a note for each block of n.
func (n note) divided(id func(uint32) uint32) (notes []note) {
	for b := range int64(n.Blocks) {
		one := n
		one.ID, one.Block, one.Blocks = id(1), n.Block+b, 1
		notes = append(notes, one)
	}
	return notes
}

// pour writes p to s by Write and ReadFrom, and closes s. If flush is set it also calls
// Flush, and returns the blocks in the middle of which it did.
func (h *hand) pour(s *Stream, p []byte, flush bool) (inParts map[int64]bool, err error) {
	inParts = map[int64]bool{}
	for at := s.start; len(p) > 0 && err == nil; {
		piece := p[:1+h.rng.IntN(len(p))]
		p = p[len(piece):]
		at += int64(len(piece))
		if h.rng.IntN(2) == 0 {
			_, err = s.ReadFrom(bytes.NewReader(piece))
		} else {
			_, err = s.Write(piece)
		}
		if flush && err == nil && h.rng.IntN(3) == 0 {
			inParts[at/kib4] = inParts[at/kib4] || at%kib4 != 0
			err = s.Flush()
		}
	}
	return inParts, errors.Join(err, s.Close())
}

// read reads a random range while others write to it.
func (h *hand) read() error {
	off := h.rng.IntN(fileBlocks * kib4)
	p := make([]byte, 1+h.rng.IntN(100_000))
	k, err := h.f.ReadAt(p, int64(off))
	if want := min(len(p), fileBlocks*kib4-off); k != want || err != nil && err != io.EOF {
		return fmt.Errorf("ReadAt of %d at %d: %d, %v", len(p), off, k, err)
	}
	return nil
}

// readQuiet reads blocks that nobody writes, and checks their bytes.
func (h *hand) readQuiet() error {
	want := quiet()
	off := h.rng.IntN(len(want))
	p := make([]byte, 1+h.rng.IntN(len(want)-off))
	if k, err := h.f.ReadAt(p, int64(off)); k != len(p) || err != nil || !bytes.Equal(p, want[off:off+k]) {
		return fmt.Errorf("ReadAt of %d at %d, where nobody writes: %d, %v, or wrong bytes", len(p), off, k, err)
	}
	return nil
}
