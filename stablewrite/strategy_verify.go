package stablewrite

import "fmt"

// verify submits the caller's memory between two looks at it, and resubmits
// what changed from private memory; or, refusing, returns ErrChanged.
type verify struct{ refuse bool }

func (verify) begin(fl *flight) {
	if !fl.aligned { // the device would refuse p itself: a copy is due anyway
		fl.bounce()
		return
	}
	fl.sum = fl.guard.ArmAt(fl.p, fl.off)
	copy(fl.sums, fl.guard.Sums())
	fl.submit(fl.p)
}

func (v verify) landed(fl *flight) {
	if fl.stable {
		fl.settle()
		return
	}
	o := fl.ops[0]
	fl.changed = fl.guard.AppendChanged(fl.changed[:0], fl.p)
	good := o.n
	if len(fl.changed) > 0 {
		good = min(good, fl.changed[0].Off)
	}
	// A refusal for a guard tag proves a change even where it was restored
	// before we looked; an I/O error does where we saw one.
	refused := isIntegrity(o.err) || isMedia(o.err) && len(fl.changed) > 0
	switch {
	case o.err != nil && !refused:
		fl.fail(good, o.err)
	case o.err == nil && len(fl.changed) == 0:
		fl.done()
	case v.refuse && o.err != nil:
		fl.fail(good, fmt.Errorf("%w: %w", ErrChanged, o.err))
	case v.refuse:
		fl.fail(good, ErrChanged)
	default:
		fl.again = append(fl.again[:0], fl.changed...)
		// Nothing of a failed submission is known to have landed, blocks that
		// did not change included.
		if refused || fl.whole {
			fl.again = append(fl.again[:0], Extent{Off: 0, Len: len(fl.p)})
		}
		fl.widen()
		fl.resubmit()
	}
}
