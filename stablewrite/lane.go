package stablewrite

import "stablepages/crcguard"

// lane drives one segment after the other.
type lane struct {
	of      *overlap
	start   func() // run; go of a func value does not allocate
	fl      flight
	guard   crcguard.Guard
	sums    []uint32 // of the blocks of the write
	counts  Receipt  // of all segments of this lane
	changed []Extent // in Write.Buf
}

// prepare makes l ready for segments of the write, whose block sums go to sums.
func (l *lane) prepare(sums []uint32, aligned bool) {
	f, fl := l.of.f, &l.fl
	l.sums, l.counts, l.changed = sums, Receipt{}, l.changed[:0]
	l.guard.SumOnly = f.opts.DetectBy == BySum
	fl.guard, fl.mem, fl.of = &l.guard, plainMemory{}, l.of
	fl.aligned, fl.whole, fl.unit = aligned, f.opts.Resubmit == Whole, f.geo.OffsetAlign
}

// work drives segments until there are none.
func (l *lane) work() {
	for i, ok := l.of.take(); ok; i, ok = l.of.take() {
		l.segment(i)
	}
}

func (l *lane) segment(i int) {
	o, fl := l.of, &l.fl
	lo, hi := o.bounds(i)
	fl.p, fl.off, fl.index = o.w.Buf[lo:hi], o.w.Off+int64(lo), i
	if l.sums != nil {
		fl.sums = l.sums[crcguard.BlocksAt(o.w.Off, lo):]
	}
	o.f.drive(fl, &l.counts)
	for _, e := range fl.changed {
		l.changed = append(l.changed, Extent{Off: lo + e.Off, Len: e.Len})
		l.counts.ChangedBlocks += crcguard.BlocksAt(fl.off+int64(e.Off), e.Len)
	}
	o.results[i] = result{fl.sum, fl.good, fl.attempt, fl.err}
	if fl.err != nil {
		o.halt(i)
	} else {
		o.pass(i)
	}
}

// run is a lane on a goroutine of its own. A panic there is brought to the
// caller of the write, who alone can recover from it.
func (l *lane) run() {
	o := l.of
	var p *PanicError
	defer func() {
		if p != nil {
			o.mu.Lock()
			o.panic = p
			o.mu.Unlock()
			o.halt(0)
		}
		o.others.Done()
	}()
	catch(&p, l.work)
}
