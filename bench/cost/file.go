package cost

import (
	"io"
	"os"

	"stablepages/bench/record"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

// file opens what w writes to. Where nothing is changed that is a File as users
// have it; where something is, all Files submit in two steps.
func (r *run) file(w writer, ch *changes) (*stablewrite.File, error) {
	o := stablewrite.Options{Strategy: w.strategy, RequireDirect: w.strategy.Direct()}
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
	case w.variant == record.Unsummed:
		o = stablewrite.Options{Strategy: stablewrite.Raw} // on a Device that is not direct
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
