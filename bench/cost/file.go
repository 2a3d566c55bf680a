package cost

import (
	"io"
	"os"

	"stablepages/bench/record"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

// poolBytes is as much as a File may take of the Pool that users' Files share by
// default: half for copies, and the share for resubmissions. Each File here has a
// Pool of its own, so that no cell begins with memory that another one made ready.
const poolBytes = stablewrite.DefaultPoolBytes/2 + 2<<20

// file opens what w writes to. Where nothing is changed that is a File as users
// have it; where something is, all Files submit in two steps.
func (r *run) file(w writer, pool *stablewrite.Pool, ch *changes) (*stablewrite.File, error) {
	o := stablewrite.Options{Strategy: w.strategy, RequireDirect: w.strategy.Direct(), Pool: pool}
	if w.variant == record.Calls {
		o.Engine = stablewrite.ByCalls
	}
	if w.variant == record.Tracked {
		o.DetectBy, o.RequireTracking = stablewrite.ByTracking, true
	}
	var inFlight func(int64, int)
	if ch != nil {
		inFlight = ch.inFlight
	}
	var d stablewrite.Device
	var err error
	switch {
	case r.On == record.OnNull:
		d = &null{inFlight: inFlight}
	case r.On == record.OnDelay:
		delay := newDelay(r.Latency, r.Bandwidth)
		delay.inFlight = inFlight
		d = delay
	case w.variant == record.Dontcache:
		o.RequireDirect = false
		d, err = openDontcache(r.Target)
	case w.variant == record.Unsummed:
		o.Strategy, o.RequireDirect = stablewrite.Raw, false // on a Device that is not direct
		d, err = scratch.OpenCached(r.Target)
	case ch != nil:
		var plain *stablewrite.File
		if plain, err = stablewrite.New(r.Target, o); err != nil {
			return nil, err
		}
		geo := plain.Geometry()
		if err = plain.Close(); err != nil {
			return nil, err
		}
		d, err = newAsync(r.Target, w.strategy.Direct(), geo, inFlight, &r.contexts)
	default:
		return stablewrite.New(r.Target, o)
	}
	if err != nil {
		return nil, err
	}
	f, err := stablewrite.NewDevice(d, o)
	if err != nil {
		d.Close()
	}
	return f, err
}

// sizeOf is also that of a block device.
func sizeOf(f *os.File) (int64, error) {
	st, err := f.Stat()
	if err != nil || st.Mode().IsRegular() {
		return st.Size(), err
	}
	return f.Seek(0, io.SeekEnd)
}
