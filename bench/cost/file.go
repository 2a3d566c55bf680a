package cost

import (
	"stablepages/bench/record"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

// poolBytes is the most that a File may take of the default Pool: half of it for copies,
// and the share for resubmissions.
const poolBytes = stablewrite.DefaultPoolBytes/2 + 2<<20

// file opens the target for w. With changes the File submits in two steps; without, it is
// a File as users have it.
func (r *run) file(w writer, pool *stablewrite.Pool, ch *changes) (*stablewrite.File, error) {
	o := stablewrite.Options{Strategy: w.strategy, RequireDirect: w.strategy.Direct(), Pool: pool}
	if w.variant == record.Calls {
		o.Engine = stablewrite.ByCalls
	}
	if w.variant == record.Tracked {
		o.DetectBy, o.RequireTracking = stablewrite.ByTracking, true
	}
	var d stablewrite.Device
	var err error
	switch {
	case r.On == record.OnNull:
		d = &null{ch}
	case r.On == record.OnDelay:
		d = newDelay(r.Latency, r.Bandwidth, ch)
	case w.variant == record.Dontcache:
		o.RequireDirect = false
		d, err = openDontcache(r.Target)
	case w.variant == record.Unsummed:
		o.Strategy, o.RequireDirect = stablewrite.Raw, false // the Device is not direct
		d, err = scratch.OpenCached(r.Target)
	case ch != nil:
		d, err = r.newAsync(w.strategy.Direct(), ch)
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
