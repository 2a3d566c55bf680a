package stablewrite

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"syscall"

	"stablepages/bench/testenv"
	"stablepages/crcguard"
)

// simulatedDevice is a row of the table of devices.
type simulatedDevice struct {
	name     string
	submit   func(*simulation, []piece) (int, error)
	legs     int                  // copies on media; 0: one
	volatile bool                 // any bytes that landed since the last Sync may be lost
	unit     int                  // of offset and length; 0: 512
	blocks   []int                // lengths of the explored writes; nil: 2 and 3
	faults   func(blocks int) int // the most that a run may have; nil: 0
}

var simulatedDevices = []simulatedDevice{
	{name: "plain", submit: (*simulation).transfer},
	// A request is split in two, which complete apart. Either may fail.
	{name: "split", submit: (*simulation).split, faults: func(int) int { return 1 }},
	// btrfs, dm-integrity: sums at submission, then transfers.
	{name: "summing layer", submit: (*simulation).layered},
	// md raid1: each leg fetches memory for itself.
	{name: "mirror", submit: (*simulation).transfer, legs: 2},
	{name: "T10 PI", submit: (*simulation).protected},
	{name: "volatile cache", submit: (*simulation).transfer, volatile: true},
	{name: "large unit", submit: (*simulation).failing, unit: 2 * kib4, blocks: []int{2, 4}, faults: func(blocks int) int { return 2 - blocks/2 }},
	{name: "failing", submit: (*simulation).failing, faults: func(blocks int) int { return 4 - blocks }},
}

// smaller reports whether only a part of the schedules is explored. All of them take half
// a minute of processor time; make load explores them. The race detector makes reading a
// page ten times slower, and has little to find in runs of one goroutine.
func smaller() bool { return !testenv.Full() && !*update || raceEnabled }

func (d *simulatedDevice) sizes() []int {
	switch {
	case smaller():
		return []int{2}
	case d.blocks != nil:
		return d.blocks
	}
	return []int{2, 3}
}

// faultsIn returns the number of faults that a run may have.
func (d *simulatedDevice) faultsIn(blocks int) int {
	switch {
	case d.faults == nil:
		return 0
	case smaller():
		return 1
	}
	return d.faults(blocks)
}

// margin is the length of the media before the write, a whole unit of any device.
const margin = 2 * kib4

// piece is the part of a submission that is in one block.
type piece struct {
	buf    []byte
	block  int
	from   int // where in the block
	caller bool
}

// content describes a block of the media.
type content struct {
	name       name
	sum        uint32
	unreadable bool
}

// media is one leg of a device.
type media struct {
	bytes   []byte
	now     [maxBlocks]content
	earlier [maxBlocks][]content // replaced since the last Sync; a crash may bring them back
}

func (s *simulation) WriteAt(p []byte, off int64) (int, error) {
	unit, size := s.Geometry().OffsetAlign, len(s.p)
	if off -= margin; off < 0 || len(p) == 0 || int(off)+len(p) > size || int(off)%unit != 0 || len(p)%unit != 0 {
		s.breaks(fmt.Sprintf("a submission of %d bytes at %d: outside, or not in units of %d", len(p), off, unit))
		return 0, syscall.EINVAL
	}
	block := int(off) / kib4
	s.turn(block)
	if e := &s.errors[s.segment(block)]; e.pending != nil && e.attempt == s.parts[s.segment(block)].attempt {
		s.breaks("went on writing to a device that fails")
	}
	caller := within(p, s.p)
	ps := s.pieces[s.segment(block)][:0]
	for at := 0; at < len(p); {
		from := (int(off) + at) % kib4
		n := min(kib4-from, len(p)-at)
		ps = append(ps, piece{p[at : at+n], (int(off) + at) / kib4, from, caller})
		at += n
	}
	s.pieces[s.segment(block)] = ps
	n, err := s.device.submit(s, ps)
	if n == len(p) && !caller {
		s.errors[s.segment(block)].pending = nil // the resubmission healed it; judge checks the media
	}
	return n, err
}

func (s *simulation) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (s *simulation) Close() error                      { return nil }
func (s *simulation) Geometry() Geometry {
	return Geometry{MemAlign: 512, OffsetAlign: max(512, s.device.unit), Source: "simulated"}
}

func (s *simulation) Sync() error {
	for leg := range s.media {
		for i := range s.media[leg].earlier {
			s.media[leg].earlier[i] = s.media[leg].earlier[i][:0]
		}
	}
	return nil
}

func bytesOf(ps []piece) (n int) {
	for i := range ps {
		n += len(ps[i].buf)
	}
	return n
}

// fetch models the moment at which a device reads memory. It keeps the bytes for land.
func (s *simulation) fetch(p *piece) (seen name) {
	if p.caller {
		s.mutate(p.block)
		s.reveal(p.block)
	}
	arrived := s.arrived[p.block]
	copy(arrived[p.from:], p.buf)
	for h := range seen {
		if at := h * half; p.from <= at && at < p.from+len(p.buf) {
			seen[h] = binary.LittleEndian.Uint64(arrived[at:])
			s.strayed[p.block] = s.strayed[p.block] || p.caller && seen[h] != s.look1[p.block][h]
		}
	}
	s.reads("fetched", p.block, seen)
	if p.caller {
		s.hide(p.block)
	}
	return seen
}

// land puts the fetched bytes of p on the media of a leg.
func (s *simulation) land(leg int, p *piece, unreadable bool) {
	m, i := &s.media[leg], p.block
	if s.device.volatile {
		m.earlier[i] = append(m.earlier[i], m.now[i])
	}
	to := m.bytes[i*kib4:][:kib4]
	copy(to[p.from:p.from+len(p.buf)], s.arrived[i][p.from:])
	m.now[i] = content{nameOf(to), crcguard.Checksum(to), unreadable}
	s.fromCaller[i] = p.caller
	for h, v := range m.now[i].name {
		if !s.was(i, h, v) {
			s.breaks(fmt.Sprintf("half %d of block %d landed with bytes that the buffer did not hold during the write", h, i))
		}
	}
	s.note("landed", i, m.now[i].name)
	s.crash(inFlight)
}

// transfer fetches and lands block by block, in any order, one leg after the other. Legs
// are alike, so their order makes no difference.
func (s *simulation) transfer(ps []piece) (int, error) {
	for leg := range s.media {
		for _, j := range s.order(len(ps)) {
			s.fetch(&ps[j])
			s.land(leg, &ps[j], false)
		}
	}
	return bytesOf(ps), nil
}

// split makes two requests of one. One of them may fail, with none or all of its bytes
// landed; the other completes. If the second fails, the bytes of the first may be
// reported.
func (s *simulation) split(ps []piece) (int, error) {
	parts := [][]piece{ps}
	if len(ps) > 1 {
		cut := 1 + s.pick(len(ps)-1)
		parts = [][]piece{ps[:cut], ps[cut:]}
	}
	failed, landed := -1, false
	if s.faults > 0 {
		if way := s.pick(1 + 2*len(parts)); way > 0 {
			failed, landed = (way-1)/2, (way-1)%2 == 1
		}
	}
	for k, part := range parts {
		if k != failed || landed {
			s.transfer(part)
		}
	}
	if failed < 0 {
		return bytesOf(ps), nil
	}
	s.faults--
	s.refuse(ps, syscall.EIO)
	if failed == 0 {
		return 0, syscall.EIO
	}
	return bytesOf(parts[0]) * s.pick(2), syscall.EIO
}

// layered sums the memory at submission and stores the sum with the data. If the two
// differ, reads fail.
func (s *simulation) layered(ps []piece) (int, error) {
	var summed [maxBlocks]name
	for _, j := range s.order(len(ps)) {
		summed[j] = s.fetch(&ps[j])
	}
	for _, j := range s.order(len(ps)) {
		seen := s.fetch(&ps[j])
		s.land(0, &ps[j], seen != summed[j])
	}
	return bytesOf(ps), nil
}

// protected refuses a request with a block that differs from its sum at submission. Then
// nothing landed, or the blocks that match, or the blocks before the first that differs.
func (s *simulation) protected(ps []piece) (int, error) {
	var summed [maxBlocks]name
	for _, j := range s.order(len(ps)) {
		summed[j] = s.fetch(&ps[j])
	}
	matches, before, all := 0, 0, 1<<len(ps)-1
	for _, j := range s.order(len(ps)) {
		if s.fetch(&ps[j]) == summed[j] {
			matches |= 1 << j
		}
	}
	landed := matches
	if matches != all {
		for matches>>before&1 == 1 {
			before++
		}
		ways := []int{0, 1<<before - 1, matches} // in order
		ways = slices.Compact(ways)
		landed = ways[s.pick(len(ways))]
	}
	for j := range ps {
		if landed>>j&1 == 1 {
			s.land(0, &ps[j], false)
		}
	}
	if matches != all {
		s.refuse(ps, syscall.EILSEQ)
		return 0, syscall.EILSEQ
	}
	return bytesOf(ps), nil
}

// fault is a way in which a submission goes wrong: the halves of blocks that land, the
// bytes reported, and the error. Without an error it is a short write.
type fault struct {
	err    error
	landed uint
	n      int
}

// faultsOf returns all faults of a submission of so many halves of blocks; from is 1 if
// the first is the second half of its block. If it fails, any prefix lands, or any set of
// its blocks. The count of bytes that it reports is true after ENOSPC, and means nothing
// after EIO and EILSEQ.
func faultsOf(halves, from int) (all []fault) {
	for k := range halves {
		all = append(all, fault{nil, 1<<k - 1, k * half})
	}
	for landed := range uint(1) << halves {
		prefix := 0
		for landed>>prefix&1 == 1 {
			prefix++
		}
		if landed != 1<<prefix-1 && !wholeBlocks(landed, halves, from) {
			continue
		}
		all = append(all, fault{syscall.ENOSPC, landed, 0})
		if prefix > 0 {
			all = append(all, fault{syscall.ENOSPC, landed, prefix * half})
		}
		for _, n := range []int{0, halves * half} {
			all = append(all, fault{syscall.EIO, landed, n}, fault{syscall.EILSEQ, landed, n})
		}
	}
	return all
}

// wholeBlocks reports whether each block has all halves set, or none.
func wholeBlocks(landed uint, halves, from int) bool {
	for h := range halves - 1 {
		if (from+h)%2 == 0 && landed>>h&1 != landed>>(h+1)&1 {
			return false
		}
	}
	return true
}

// failing returns errors or short writes at any submission.
func (s *simulation) failing(ps []piece) (int, error) {
	if s.faults == 0 {
		return s.transfer(ps)
	}
	halves, from := bytesOf(ps)/half, ps[0].from/half
	ways := s.ways[halves][from]
	if ways == nil {
		ways = faultsOf(halves, from)
		s.ways[halves][from] = ways
	}
	way := s.pick(1 + len(ways))
	if way == 0 {
		return s.transfer(ps)
	}
	f := ways[way-1]
	s.faults--
	if f.err != nil {
		s.refuse(ps, f.err)
	} else if f.n < s.Geometry().OffsetAlign {
		s.refuse(ps, io.ErrShortWrite) // less than a unit, so the writer cannot go on
	}
	for at := 0; len(ps) > 0; ps = ps[1:] {
		n := 0
		for h := range len(ps[0].buf) / half {
			n += int(f.landed>>(at+h)&1) * half
		}
		at += len(ps[0].buf) / half
		if n > 0 {
			p := ps[0]
			p.buf = p.buf[:n]
			s.fetch(&p)
			s.land(0, &p, false)
		}
	}
	return f.n, f.err
}

// refuse notes an error, which must be returned or healed.
func (s *simulation) refuse(ps []piece, err error) {
	e := &s.errors[s.segment(ps[0].block)]
	e.returned, e.pending, e.attempt = append(e.returned, err), err, s.parts[s.segment(ps[0].block)].attempt
}
