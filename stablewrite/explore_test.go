package stablewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"stablepages/crcguard"
)

// The strategies are step functions, so a test can run the code that writes to a
// device through every order of events on a simulated device. The events are the
// steps of a mutator and the reads of blocks of the caller's memory: by the first
// look, by each fetch of a device, by the second look, and by the copy.
//
// Two orders are one schedule if they differ only in the order of events that do
// not touch the same block: a step on one block and the read of another, steps on
// different blocks, reads of different blocks. Every read then sees the same
// bytes, so the strategy and the device do the same. The walk takes one order of
// each schedule: a step comes immediately before a read of its block, and blocks
// are fetched in order. The crash check judges block by block, so it does not
// depend on which others had landed. TestOrdersThatCommuteAreOneSchedule walks
// every order and finds the same outcomes.

// choices walks depth first over every sequence of decisions.
type choices struct {
	taken, of []int
	at        int
}

func (c *choices) pick(n int) int {
	if n < 2 {
		return 0
	}
	if c.at == len(c.taken) {
		c.taken, c.of = append(c.taken, 0), append(c.of, n)
	}
	c.at++
	return c.taken[c.at-1]
}

// next prepares the next sequence, and reports whether there is one.
func (c *choices) next() bool {
	for i := len(c.taken) - 1; i >= 0; i-- {
		if c.taken[i]+1 < c.of[i] {
			c.taken, c.of, c.at = c.taken[:i+1], c.of[:i+1], 0
			c.taken[i]++
			return true
		}
	}
	return false
}

// exploration is a row of the table of explored cases. A row with differs set, a variant
// of a strategy, has at most one fault in runs with three changes. A row with others set,
// which takes the steps of another row in other cases, has only the shortest writes.
type exploration struct {
	name, about     string
	differs, others bool
	Options
	joins  bool // unchanged blocks between changed ones go out with them
	scarce bool // memory for a resubmission comes a unit at a time
}

func (e *exploration) promise() Promise { return e.Strategy.PromiseBy(e.DetectBy) }

func explorations() (all []exploration) {
	for _, s := range Strategies() {
		all = append(all, exploration{name: fmt.Sprintf("`%v`", s), about: s.About(), Options: Options{Strategy: s}})
	}
	for _, e := range []exploration{
		{name: "`verify`, whole", about: "as `verify`, but resubmits the whole segment", others: true, Options: Options{Resubmit: Whole}},
		{name: "`verify`, by CRC-32C", about: "as `verify`, but compares by CRC-32C alone, as was proposed", others: true, Options: Options{DetectBy: BySum}},
		{name: "`verify`, by tracking", about: "as `verify`, but the kernel tells which pages of a `TrackedBuffer` were written to, except through a pin", Options: Options{DetectBy: ByTracking}},
		{name: "`detect`, by tracking", about: "as `detect`, but the kernel tells which pages were written to", others: true, Options: Options{Strategy: Detect, DetectBy: ByTracking}},
		{name: "`verify`, small gaps", about: "`verify` as every File does it: a few unchanged blocks between changed ones go out with them", joins: true},
		{name: "`verify`, scarce memory", about: "`verify` with so little private memory that a resubmission goes out a unit at a time", others: true, Options: Options{Resubmit: Whole}, scarce: true},
	} {
		e.differs = true
		all = append(all, e)
	}
	return all
}

// crashPhase is when the machine crashes.
type crashPhase int

const (
	inFlight crashPhase = iota // before the write returned
	returned                   // after that, before Sync
	synced
	crashPhases
)

// tally counts schedules by their results.
type tally struct {
	schedules  int
	violations int // the receipt is not true of the media, or they cannot be read

	// The causes of violations, judged from the reads. Only strategies that do not look
	// again have unseen ones; unexplained must be 0.
	restored, collision, unseen, unexplained int

	refused int // ErrChanged
	failed  int // another error
	healed  int // an error of the device that a resubmission made good

	// Moments after a landing or a sum at which the machine may crash, and those
	// at which a block may then match neither its old content nor the writer's
	// sum.
	crashes, torn [crashPhases]int
}

func (n *tally) add(m *tally) {
	n.schedules += m.schedules
	n.violations += m.violations
	n.restored += m.restored
	n.collision += m.collision
	n.unseen += m.unseen
	n.unexplained += m.unexplained
	n.refused += m.refused
	n.failed += m.failed
	n.healed += m.healed
	for ph := range crashPhases {
		n.crashes[ph] += m.crashes[ph]
		n.torn[ph] += m.torn[ph]
	}
}

// simulation is one run: caller memory, the steps that the mutator has left, media.
// It is the Device of the segments.
type simulation struct {
	*choices
	tally
	options exploration
	device  *simulatedDevice
	family  family
	every   bool // every order, not one of each schedule

	p        []byte
	segments int // number of parts, all of one length
	private  []byte
	parts    []*segment
	lookers  []*looker
	file     *File
	kernel   *modelPages                // of p
	memory   *tracked                   // p
	drivers  []func() (done, more bool) // coroutines
	yields   [maxBlocks]func(done bool) bool
	left     program
	pieces   [maxBlocks][]piece // storage, by segment
	version  [maxBlocks]int     // content that the mutator set last
	had      [maxBlocks]uint    // versions that were in the buffer since the write began
	turn     func(block int)    // lets another segment go on

	// The bytes that were read, by block.
	look1, look2 [maxBlocks]name
	strayed      [maxBlocks]bool   // a device fetched other bytes than the first look saw
	held         [maxBlocks]name   // the bytes that the writer's sum was taken of
	sums         [maxBlocks]uint32 // of the writer; for Raw, which takes none, of a layer
	fromCaller   [maxBlocks]bool   // whether the bytes that landed last are

	media     []media
	arrived   [maxBlocks][]byte
	faults    int                     // that may still be injected
	errors    [maxBlocks]deviceErrors // by segment
	tornParts uint                    // by crashPhase and block
	seen      [maxBlocks]uint64       // all reads of a block, where every order is walked
	broken    []string
	ways      [2*maxBlocks + 1][2][]fault
	trace     *strings.Builder
}

// deviceErrors has the errors that a device returned to a segment.
type deviceErrors struct {
	returned []error
	pending  error // the last, unless a resubmission landed since
	attempt  int   // the attempt that got pending
}

func newSimulation(o exploration, d *simulatedDevice, fam family, blocks, segments int) *simulation {
	s := &simulation{choices: new(choices), options: o, device: d, family: fam, segments: segments, p: AlignedBuffer(blocks * kib4)}
	o.Options.Pool, o.Options.DetectBy = new(Pool), ByDigest // the lookers detect
	file, err := NewDevice(s, o.Options)
	if err != nil {
		panic(err)
	}
	s.file = file
	s.kernel = newModelPages(runOf(s.p).lo, blocks)
	s.kernel.before = func(block int) { s.mutate(block) }
	s.memory = &tracked{pageRun: runOf(s.p), table: s.kernel}
	s.media = make([]media, max(1, d.legs))
	for leg := range s.media {
		s.media[leg].bytes = make([]byte, len(s.p))
	}
	for i := range s.arrived {
		s.arrived[i] = make([]byte, kib4)
	}
	s.private = AlignedBuffer(len(s.p))
	for i := range s.version {
		s.version[i] = old // not first, so that begin fills the buffer
	}
	for k := range segments {
		l := &looker{simulation: s, base: k * blocks / segments}
		s.lookers, s.parts = append(s.lookers, l), append(s.parts, new(segment))
	}
	return s
}

func (s *simulation) blocks() int { return len(s.p) / kib4 }

// segment returns the segment of a block.
func (s *simulation) segment(block int) int { return block * s.segments / s.blocks() }

// breaks notes a state that no strategy and no mutator may cause.
func (s *simulation) breaks(what string) {
	s.broken = append(s.broken, what)
}

// reads notes that bytes of a block were read.
func (s *simulation) reads(what string, block int, seen name) {
	s.seen[block] = s.seen[block]<<6 | uint64(version(seen[0])<<3|version(seen[1]))
	s.note(what, block, seen)
}

// note adds an event to the trace, if the schedule is to be shown.
func (s *simulation) note(what string, block int, seen name) {
	if s.trace != nil {
		fmt.Fprintf(s.trace, "\n\tblock %d: %s %v", block, what, [2]int{version(seen[0]), version(seen[1])})
	}
}

// begin makes s ready for a run.
func (s *simulation) begin(p program) {
	s.at, s.tally, s.left = 0, tally{}, append(s.left[:0], p...)
	s.look1, s.look2, s.strayed = [maxBlocks]name{}, [maxBlocks]name{}, [maxBlocks]bool{}
	s.tornParts, s.seen, s.broken = 0, [maxBlocks]uint64{}, s.broken[:0]
	for k := range s.errors {
		s.errors[k] = deviceErrors{returned: s.errors[k].returned[:0]}
	}
	if s.faults = s.device.faultsIn(s.blocks()); s.options.differs && p.steps() == maxSteps {
		s.faults = min(s.faults, 1)
	}
	for i := range s.blocks() {
		s.set(i, first)
		s.had[i] = 1 << first
		for leg := range s.media {
			m, was := &s.media[leg], pages()[s.family][i][old]
			if m.now[i].name != nameOf(was) { // a name identifies the bytes
				copy(m.bytes[i*kib4:], was)
			}
			m.now[i] = content{name: nameOf(was)}
			m.earlier[i] = m.earlier[i][:0]
		}
	}
}

// set is a step of the mutator.
func (s *simulation) set(block, version int) {
	if s.version[block] != version {
		copy(s.p[block*kib4:], pages()[s.family][block][version])
		s.version[block] = version
	}
	s.had[block] |= 1 << version
	s.kernel.store(block)
	s.hide(block)
}

// reveal gives caller memory the content that the mutator made, while the memory is read.
// At other times the memory has useless bytes, so that a read is noticed before which the
// mutator had no turn.
func (s *simulation) reveal(block int) {
	for h, begin := range makeName(s.family, block, s.version[block]) {
		binary.LittleEndian.PutUint64(s.p[block*kib4+h*half:], begin)
	}
}

func (s *simulation) hide(block int) {
	for h := range 2 {
		clear(s.p[block*kib4+h*half:][:8])
	}
}

// was reports whether half h of a block had v on the media before the write, or
// in the buffer since.
func (s *simulation) was(block, h int, v uint64) bool {
	n := version(v)
	return v == makeName(s.family, block, n)[h] && (n == old || s.had[block]>>n&1 == 1)
}

// mutate is called before a block is read: the mutator may take steps.
func (s *simulation) mutate(block int) {
	if s.every {
		s.mutateAny()
		return
	}
	for range s.pick(1 + len(s.left[block])) {
		s.step(block)
	}
}

// mutateAny takes any steps, on whatever block, in any order.
func (s *simulation) mutateAny() {
	for {
		var ready []int
		for i := range s.left {
			if len(s.left[i]) > 0 {
				ready = append(ready, i)
			}
		}
		k := s.pick(1 + len(ready))
		if k == 0 {
			return
		}
		s.step(ready[k-1])
	}
}

func (s *simulation) step(block int) {
	s.set(block, s.left[block][0])
	s.left[block] = s.left[block][1:]
	s.note("set to", block, makeName(s.family, block, s.version[block]))
}

// order returns the order in which n blocks are fetched.
func (s *simulation) order(n int) []int {
	if !s.every {
		return inOrder[:n]
	}
	var order []int
	left := slices.Clone(inOrder[:n])
	for len(left) > 0 {
		k := s.pick(len(left))
		order = append(order, left[k])
		left = slices.Delete(left, k, k+1)
	}
	return order
}

var inOrder = [maxBlocks]int{0, 1, 2, 3}

// looker is the detector and the memory of the segment whose first block is base.
type looker struct {
	*simulation
	tracking
	base int
	seen []byte
}

// look reads p block by block and notes what it saw.
func (l *looker) look(p []byte, names *[maxBlocks]name) []byte {
	l.seen = slices.Grow(l.seen[:0], len(p))[:len(p)]
	for at := 0; at < len(p); at += kib4 {
		i := l.base + at/kib4
		l.turn(i)
		l.mutate(i)
		l.reveal(i)
		copy(l.seen[at:], p[at:at+kib4])
		l.hide(i)
		names[i] = nameOf(l.seen[at:])
		l.reads("looked", i, names[i])
	}
	return l.seen
}

func (l *looker) ArmPartsAt(parts [][]byte, off int64) uint32 {
	p := parts[0]
	if l.wanted {
		l.turn(l.base)
		l.SumOnly = l.armPart(l.memory, p)
	}
	seen := l.look(p, &l.look1)
	copy(l.held[l.base:], l.look1[l.base:l.base+len(p)/kib4])
	return l.Guard.ArmAt(seen, off)
}

func (l *looker) AppendChangedParts(dst []Extent, parts [][]byte) []Extent {
	if l.tracks() {
		return l.askKernel(dst, parts)
	}
	return l.Guard.AppendChanged(dst, l.look(parts[0], &l.look2))
}

// askKernel looks without reading memory: it asks the model of the kernel.
func (l *looker) askKernel(dst []Extent, parts [][]byte) []Extent {
	l.turn(l.base)
	fresh := len(dst)
	dst = l.tracking.AppendChangedParts(dst, parts)
	for i := l.base; i < l.base+len(parts[0])/kib4; i++ {
		l.look2[i] = l.look1[i]
	}
	for _, e := range dst[fresh:] {
		for i := l.base + e.Off/kib4; i < l.base+(e.Off+e.Len)/kib4; i++ {
			l.look2[i] = name{}
		}
	}
	return dst
}

func (l *looker) copyBlocks(dst, src []byte, off int64, sums []uint32) (sum uint32) {
	for k := range len(src) / kib4 {
		i, at := int(off-margin)/kib4+k, k*kib4
		l.turn(i)
		l.mutate(i)
		l.reveal(i)
		one := crcguard.CopyBlocksAt(dst[at:at+kib4], src[at:at+kib4], off+int64(at), sums[k:k+1])
		sum = crcguard.Combine(sum, one, kib4)
		l.hide(i)
		l.held[i] = nameOf(dst[at:])
		l.reads("copied", i, l.held[i])
		l.crash(inFlight)
	}
	return sum
}

// crash checks the media as a crash would leave them. Any write may leave each half of a
// block with the old content or with the content of the writer's sum. After Sync only the
// latter is allowed. (A write by Raw has no sum. It leaves any content that the buffer
// had since the write began; land checks that. A comparison with the sum taken before is
// only counted.)
func (s *simulation) crash(ph crashPhase) {
	s.crashes[ph]++
	torn := uint(0)
	for leg := range s.media {
		for i := range s.blocks() {
			if fl := s.parts[s.segment(i)]; ph != inFlight && margin+(i+1)*kib4 > int(fl.off)+fl.good {
				continue // the error told the caller
			}
			m := &s.media[leg]
			ok := s.survives(ph, i, &m.now[i])
			for k := range m.earlier[i] {
				ok = ok && s.survives(ph, i, &m.earlier[i][k])
			}
			if !ok {
				torn |= 1 << i
			}
		}
	}
	if torn != 0 {
		s.torn[ph]++
		s.tornParts |= torn << (maxBlocks * uint(ph))
	}
}

func (s *simulation) survives(ph crashPhase, i int, c *content) bool {
	if c.name == s.held[i] {
		return c.sum == s.sums[i] && !c.unreadable
	}
	was := makeName(s.family, i, old)
	for h := range c.name {
		if c.name[h] != s.held[i][h] && (ph == synced || c.name[h] != was[h]) {
			return false
		}
	}
	return !c.unreadable
}

// write runs one write.
func (s *simulation) write(p program) {
	s.begin(p)
	s.turn = func(int) {}
	for k := range s.segments {
		s.prepare(k)
	}
	for i := range s.blocks() {
		s.had[i] = 1 << s.version[i]
	}
	s.drive()
	s.crash(returned)
	if err := s.file.Sync(); err != nil {
		s.breaks(err.Error())
	}
	s.crash(synced)
	s.judge()
}

// prepare makes segment k ready, as progress.take does.
func (s *simulation) prepare(k int) {
	f, fl, l, n := s.file, s.parts[k], s.lookers[k], len(s.p)/s.segments
	clear(s.private) // nothing may use bytes of the run before
	l.use(s.options.DetectBy)
	fl.parts, fl.n, fl.private, fl.off = append(fl.parts[:0], s.p[k*n:][:n:n]), n, s.private[k*n:][:n:n], int64(margin+k*n)
	fl.aligned, fl.whole, fl.unit, fl.steps, fl.guard, fl.copies = true, s.options.Resubmit == Whole, f.geo.OffsetAlign, f.row.steps, l, l.copyBlocks
	if s.options.joins {
		fl.gap = len(s.p)
	}
	if s.options.scarce {
		fl.private = fl.private[:fl.grain()]
	}
	if s.options.Strategy.Sums() {
		fl.sums = s.sums[l.base:][:n/kib4]
		return
	}
	// A layer that sums would do so before it submits.
	l.ArmPartsAt(fl.parts, fl.off)
	copy(s.sums[l.base:], l.Sums())
}

// drive drives all segments to their end. Several take turns: the walk chooses which
// goes on whenever a segment is about to read memory or to submit.
func (s *simulation) drive() {
	if s.segments == 1 {
		s.carry(s.parts[0])
		return
	}
	running := slices.Clone(s.drivers)
	s.turn = func(block int) { s.yields[s.segment(block)](false) }
	for len(running) > 0 {
		k := s.pick(len(running))
		if done, _ := running[k](); done {
			running = slices.Delete(running, k, k+1)
		}
	}
}

// carry takes the steps of a segment, as progress does, with blocking calls.
func (s *simulation) carry(seg *segment) {
	for o := seg.start(); o != nil; o = seg.ended() {
		o.call(s.file)
	}
	seg.guard.release()
}

// driver makes a coroutine that drives a segment in one run after
// the other. It yields true at the end of each run.
func (s *simulation) driver(segment int) (stop func()) {
	next, stop := iter.Pull(func(yield func(bool) bool) {
		s.yields[segment] = yield
		for more := true; more; more = yield(true) {
			s.carry(s.parts[segment])
		}
	})
	s.drivers = append(s.drivers, next)
	return stop
}

// judge compares receipts and errors with the media.
func (s *simulation) judge() {
	s.schedules = 1
	wrong := false
	var why [4]bool
	for k, fl := range s.parts {
		s.judgeError(fl, &s.errors[k])
		base := k * s.blocks() / s.segments
		for i := range fl.good / kib4 {
			if s.isTrue(base + i) {
				continue
			}
			wrong = true
			why[s.explain(base+i)] = true
		}
		if good := s.media[0].bytes[base*kib4:][:fl.good]; s.options.Strategy.Sums() && !wrong && fl.sum != crcguard.Checksum(good) {
			s.breaks(fmt.Sprintf("the sum of the first %d bytes differs from the media, but no sum of a block does", fl.good))
		}
	}
	if !wrong {
		return
	}
	s.violations = 1
	switch {
	case why[isUnexplained]:
		s.unexplained = 1
	case why[isUnseen]:
		s.unseen = 1
	case why[isCollision]:
		s.collision = 1
	default:
		s.restored = 1
	}
}

// judgeError compares the result of a segment with the faults of the device.
func (s *simulation) judgeError(fl *segment, device *deviceErrors) {
	if fl.err == nil && fl.good == fl.n && len(device.returned) == 0 && fl.attempt <= 2 {
		return // most schedules
	}
	refused := errors.Is(fl.err, ErrChanged)
	known := slices.ContainsFunc(device.returned, func(err error) bool { return errors.Is(fl.err, err) })
	unit := max(kib4, s.device.unit)
	switch {
	case refused:
		s.refused = 1
	case fl.err != nil:
		s.failed = 1
	case len(device.returned) > 0:
		s.healed = 1
	}
	switch {
	case refused && !s.options.promise().Refuses:
		s.breaks("ErrChanged from a strategy that does not refuse")
	case refused && !known && s.sawSame(fl):
		s.breaks("refused, though nothing was seen to change")
	case fl.err != nil && !refused && !known && !errors.Is(fl.err, device.pending):
		s.breaks(fmt.Sprintf("an error that the device did not return: %v", fl.err))
	case device.pending != nil && !errors.Is(fl.err, device.pending):
		s.breaks(fmt.Sprintf("the device returned %v, and the segment %v", device.pending, fl.err))
	case fl.err == nil && fl.good != fl.n:
		s.breaks(fmt.Sprintf("only %d bytes are good, without an error", fl.good))
	case fl.good != fl.n && fl.good%unit != 0 && s.options.Strategy.Sums():
		s.breaks(fmt.Sprintf("%d good bytes are not whole blocks and units", fl.good))
	case fl.err != nil && !refused && s.options.Strategy.Sums() && s.device.faults == nil:
		s.breaks(fmt.Sprintf("%v, of a device that does not fail", fl.err))
	case fl.attempt == 1 && !fl.stable && s.heals() && (isIntegrity(fl.err) || isMedia(fl.err) && len(fl.changed) > 0):
		s.breaks(fmt.Sprintf("%v was not healed by a resubmission, with %d extents changed", fl.err, len(fl.changed)))
	case fl.attempt > 2:
		s.breaks("resubmitted more than once")
	}
}

// heals reports whether the strategy resubmits what changed.
func (s *simulation) heals() bool {
	return s.options.Strategy.Detects() && !s.options.promise().Refuses
}

// sawSame reports whether both looks of a segment saw the same bytes.
func (s *simulation) sawSame(fl *segment) bool {
	lo, n := (int(fl.off)-margin)/kib4, fl.n/kib4
	return slices.Equal(s.look1[lo:lo+n], s.look2[lo:lo+n])
}

// isTrue reports whether the sum of a block is true of every leg.
func (s *simulation) isTrue(i int) bool {
	for leg := range s.media {
		if !s.survives(synced, i, &s.media[leg].now[i]) {
			return false
		}
	}
	return true
}

const (
	isRestored = iota
	isCollision
	isUnseen
	isUnexplained
)

// explain says why a block differs from its sum, by the contents that each read saw.
func (s *simulation) explain(i int) int {
	switch {
	case !s.fromCaller[i] || !s.strayed[i]: // private memory, or the bytes of the first look
		return isUnexplained
	case !s.options.Strategy.Sums():
		return isUnseen
	case s.look2[i] == name{}: // nobody looked
		return isUnexplained
	case s.look1[i] == s.look2[i]:
		return isRestored
	case s.collide(i):
		return isCollision
	}
	return isUnexplained
}

// collide reports whether the contents that the two looks saw of a block compare
// equal.
func (s *simulation) collide(i int) bool {
	g := crcguard.Guard{SumOnly: s.options.DetectBy == BySum}
	g.Arm(pages()[s.family][i][version(s.look1[i][0])])
	return len(g.AppendChanged(nil, pages()[s.family][i][version(s.look2[i][0])])) == 0
}

// explored has the counts of a strategy on a device, by the family of pages and by
// whether a block returns to an earlier content.
type explored struct {
	exploration
	device *simulatedDevice
	counts [families][2]tally
	broken []string
}

func (x *explored) count(fam family, restores bool) *tally {
	if restores {
		return &x.counts[fam][1]
	}
	return &x.counts[fam][0]
}

// walk runs every schedule of a program, and calls see after each that took all
// steps. The others are schedules of a shorter program.
func (s *simulation) walk(p program, see func()) {
	for *s.choices = (choices{}); ; {
		s.write(p)
		if !slices.ContainsFunc(s.left, func(left []int) bool { return len(left) > 0 }) {
			see()
		}
		if !s.next() {
			return
		}
	}
}

// task is a part of the exploration: one program.
type task struct {
	of      *explored
	family  family
	program program
	each    int // blocks of a segment
	tally   tally
	broken  []string
}

func (j *task) run() {
	blocks := len(j.program)
	s := newSimulation(j.of.exploration, j.of.device, j.family, blocks, blocks/j.each)
	defer s.file.Close()
	if s.segments > 1 {
		for k := range s.segments {
			defer s.driver(k)()
		}
	}
	s.walk(j.program, func() {
		j.tally.add(&s.tally)
		if (len(s.broken) > 0 || s.unexplained > 0) && len(j.broken) == 0 {
			j.broken = append(j.broken, s.show(j.program))
		}
	})
}

// show repeats a schedule and returns its events.
func (s *simulation) show(p program) string {
	s.trace = new(strings.Builder)
	s.write(p)
	text := fmt.Sprintf("%v pages, program %v, %v: error %v%v", s.family, p, s.broken, s.parts[0].err, s.trace)
	s.trace = nil
	return text
}

// explore explores rows on every device with writes of the blocks that sizes gives,
// several programs at a time. If split, each block is a segment; segments are alike, so
// of two programs that only exchange the segments one is explored.
func explore(rows []exploration, devices []simulatedDevice, sizes func(*simulatedDevice) []int, steps int, split bool) (all []*explored) {
	var jobs []*task
	for _, e := range rows {
		steps := steps
		for k := range devices {
			x := &explored{exploration: e, device: &devices[k]}
			all = append(all, x)
			lengths := sizes(x.device)
			if e.others {
				lengths = lengths[:1]
			}
			for _, blocks := range lengths {
				if e.joins { // two changes are enough for blocks between them
					steps = min(steps, 2)
				}
				for _, p := range programs(blocks, steps) {
					if split && slices.Compare(p[0], p[1]) < 0 {
						continue
					}
					for fam := range families {
						j := &task{of: x, family: fam, program: p, each: blocks}
						if split {
							j.each = 1
						}
						jobs = append(jobs, j)
					}
				}
			}
		}
	}
	var workers sync.WaitGroup
	var taken atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := taken.Add(1); i <= int64(len(jobs)); i = taken.Add(1) {
				jobs[i-1].run()
			}
		})
	}
	workers.Wait()
	for _, j := range jobs {
		j.of.count(j.family, j.program.restores()).add(&j.tally)
		j.of.broken = append(j.of.broken, j.broken...)
	}
	return all
}

// everySchedule is the whole exploration, made once.
var everySchedule = sync.OnceValue(func() []*explored {
	return explore(explorations(), simulatedDevices, (*simulatedDevice).sizes, mostSteps(maxSteps), false)
})

// mostSteps returns n, or at most 2 if smaller: with two steps a block can change and
// be restored.
func mostSteps(n int) int {
	if smaller() {
		return min(n, 2)
	}
	return n
}

func TestEveryScheduleOfEveryStrategy(t *testing.T) {
	t.Parallel()
	for _, x := range everySchedule() {
		x.check(t)
	}
}

// check compares the counts with the promise: the promise must be kept, and must not
// promise less than the counts show.
func (x *explored) check(t *testing.T) {
	t.Helper()
	for _, text := range x.broken[:min(2, len(x.broken))] {
		t.Errorf("%s on %s: %s", x.name, x.device.name, text)
	}
	promise, total := x.promise(), map[bool]*tally{false: {}, true: {}}
	defer func() {
		t.Logf("%s on %s\n\tchanged:  %v\n\trestored: %v", x.name, x.device.name, total[false], total[true])
	}()
	for fam := range families {
		for _, restores := range []bool{false, true} {
			n := x.count(fam, restores)
			total[restores].add(n)
			collides := promise.Collides && fam == selfSummed
			holds := promise.Holds(restores, promise.Tracked) && !collides
			fails := func(what string, count int) {
				t.Errorf("%s on %s, %v pages, restored=%v: %s: %d of %d", x.name, x.device.name, fam, restores, what, count, n.schedules)
			}
			open := n.torn[inFlight] + n.torn[returned]
			switch {
			case n.schedules == 0:
				fails("nothing was explored", 0)
			case n.unexplained > 0:
				fails("violations without an explanation", n.unexplained)
			case holds && n.violations > 0:
				fails("violations of the promise", n.violations)
			case !holds && n.violations == 0:
				fails("no violations: the promise could be stronger", 0)
			case collides != (n.collision > 0):
				fails("collisions", n.collision)
			case promise.Refuses != (n.refused > 0):
				fails("refused", n.refused)
			case holds && n.torn[synced] > 0:
				fails("torn after Sync", n.torn[synced])
			case x.Strategy.Sums() && promise.CrashWindow != (open > 0):
				fails("torn before Sync", open)
			}
		}
	}
}

func (n *tally) String() string {
	return fmt.Sprintf("schedules %d, violations %d (A-B-A %d, collision %d, nobody looked again %d, unexplained %d), refused %d, failed %d, healed %d;"+
		" crash points torn: in flight %d of %d, returned %d of %d, synced %d of %d",
		n.schedules, n.violations, n.restored, n.collision, n.unseen, n.unexplained, n.refused, n.failed, n.healed,
		n.torn[inFlight], n.crashes[inFlight], n.torn[returned], n.crashes[returned], n.torn[synced], n.crashes[synced])
}
