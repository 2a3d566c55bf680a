package record

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// check finds the first number of a Record that makes no sense. Sums of maxRecords
// counts within its bounds are within those of their types.
type check struct{ err error }

const (
	mostCount = 1e12 // and the most seconds, and bytes of one write
	mostBytes = 1e15
	mostNS    = 1e18
)

// fields goes through v, named as in JSON: it makes texts fit to be shown on a
// terminal, since another's Records may hold anything, and bounds numbers.
func (c *check) fields(name string, v reflect.Value) {
	most := float64(mostCount)
	switch {
	case strings.HasSuffix(name, "_ns"):
		most = mostNS
	case strings.HasPrefix(name, "bytes"):
		most = mostBytes
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(shown(v.String(), maxString))
	case reflect.Int, reflect.Int64:
		c.kept(name, v, v.Int() >= 0 && float64(v.Int()) <= most)
	case reflect.Float64:
		c.kept(name, v, v.Float() >= 0 && v.Float() <= most)
	case reflect.Struct:
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			c.fields(tag, v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.fields(name, v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			c.fields(name, v.Elem())
		}
	}
}

// kept finds v if it is not ok.
func (c *check) kept(name string, v any, ok bool) {
	if c.err == nil && !ok {
		c.err = fmt.Errorf("%s is %v, which makes no sense", name, v)
	}
}

// count is the number of a field.
type count struct {
	name string
	n    int64
}

// parts requires that each of the parts is no more than all.
func (c *check) parts(all count, parts ...count) {
	for _, p := range parts {
		if c.err == nil && p.n > all.n {
			c.err = fmt.Errorf("%s is %d, of %d %s, which makes no sense", p.name, p.n, all.n, all.name)
		}
	}
}

// some requires that there are some.
func (c *check) some(counts ...count) {
	for _, n := range counts {
		c.kept(n.name, n.n, n.n > 0)
	}
}

func (r Repro) check(c *check) {
	c.some(count{"size", int64(r.Size)})
	torn, failed := count{"torn", int64(r.Torn)}, count{"write_errors", int64(r.WriteErrors)}
	c.parts(count{"writes", int64(r.Writes)}, count{"overlapped", int64(r.Overlapped)}, count{"changed", int64(r.Changed)},
		count{"tracked", int64(r.Tracked)}, count{"resubmitted", int64(r.Resubmitted)}, torn, failed)
	c.parts(torn, count{"read_errors", int64(r.ReadErrors)})
	c.parts(failed, count{"refused", int64(r.Refused)})
}

func (r Prove) check(c *check) {
	if r.Scenario != Race { // what the others count is not all of writes
		c.parts(count{"write_errors", int64(r.WriteErrors)}, count{"refused", int64(r.Refused)})
		return
	}
	r.Repro.check(c)
	c.parts(count{"torn", int64(r.Torn)}, count{"diverged", int64(r.Diverged)})
}

func (r Cost) check(c *check) {
	c.some(count{"size", int64(r.Size)}, count{"depth", int64(r.Depth)}, count{"round", int64(r.Round)}, count{"bytes", r.Bytes})
	c.kept("seconds", r.Seconds, r.Seconds >= 1e-9)
	c.kept("mutated", r.Mutated, r.Mutated <= 1)
	c.parts(count{"writes", r.Writes}, count{"changed", r.Changed}, count{"overlapped", r.Overlapped})
	c.parts(count{"checked", r.Checked}, count{"torn", r.Torn})
	c.kept("p99_ns", r.P99NS, r.P99NS >= r.P50NS)
	c.kept("p999_ns", r.P999NS, r.P999NS >= r.P99NS)
	c.kept("amplification", r.Amplification, r.Amplification == 0 || r.Amplification >= 1 && r.Amplification <= 1e6)
	c.kept("bytes", r.Bytes, r.Writes == 0 || r.Bytes == r.Writes*int64(r.Size))
	c.kept("target", r.Target, slices.Contains([]Target{"", OnFile, OnDevice, OnNull, OnDelay}, r.Target))
	c.kept("delay_latency_ns", r.DelayLatencyNS, r.Target != OnDelay || r.DelayLatencyNS > 0)
	c.kept("delay_bytes_per_second", r.DelayBytesPerSecond, r.Target != OnDelay || r.DelayBytesPerSecond > 0)
	c.kept("two_steps", r.TwoSteps, !r.TwoSteps || r.Mutated == 0)
}

func (r Precision) check(c *check) {
	torn, sent, both := count{"torn", int64(r.Torn)}, count{"resubmitted", int64(r.Resubmitted)}, count{"both", int64(r.Both)}
	c.some(count{"size", int64(r.Size)})
	c.parts(count{"blocks", int64(r.Blocks)}, torn, sent)
	c.parts(torn, both)
	c.parts(sent, both)
}

func (r Guard) check(*check) {}

func (r Watch) check(c *check) {
	changed := count{"changed", r.Changed}
	c.some(count{"sample", int64(r.Sample)}, count{"max_blocks", int64(r.MaxBlocks)})
	c.parts(count{"writes", r.Writes}, changed, count{"truncated", r.Truncated})
	c.parts(count{"blocks", r.Blocks}, count{"writes", r.Writes}, count{"blocks_changed", r.BlocksChanged})
	c.parts(count{"blocks_changed", r.BlocksChanged}, changed)
	c.kept("direct", r.Direct, r.Writes == 0 || r.Direct == r.Memory.Directness())
	if e := r.Example; e != nil {
		c.some(count{"bytes", e.Bytes}, count{"blocks_changed", e.Blocks})
		c.kept("block", e.Block, e.Block <= e.Bytes/512)
	}
}

func (r Probe) check(c *check) {
	c.parts(count{"writes", int64(r.Writes)}, count{"reached", int64(r.Reached)}, count{"write_errors", int64(r.WriteErrors)})
}
