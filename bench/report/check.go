package report

import (
	"fmt"
	"slices"

	"stablepages/bench/prove"
	"stablepages/bench/record"
)

// check finds the first number of a Record that makes no sense. Sums of maxRecords
// numbers within its bounds are within those of their types.
type check struct{ err error }

const (
	mostCount   = 1e12
	mostBytes   = 1e15
	mostSeconds = 1e9
	mostWrite   = 1 << 40 // bytes of one
)

func within[T int | int64 | float64](c *check, name string, v, least, most T) {
	if c.err == nil && !(v >= least && v <= most) {
		c.err = fmt.Errorf("%s is %v, which makes no sense", name, v)
	}
}

// kept finds v if it is not as it must be beside the others.
func (c *check) kept(name string, v any, ok bool) {
	if c.err == nil && !ok {
		c.err = fmt.Errorf("%s is %v, which makes no sense", name, v)
	}
}

func (c *check) count(name string, n int) { within(c, name, n, 0, mostCount) }

// part requires that n are some of many.
func (c *check) part(name string, n int, of string, many int) {
	c.count(name, n)
	if c.err == nil && n > many {
		c.err = fmt.Errorf("%s is %d, of %d %s, which makes no sense", name, n, many, of)
	}
}

func (c *check) race(r record.Repro) {
	within(c, "size", r.Size, 1, mostWrite)
	within(c, "seconds", r.Seconds, 0, mostSeconds)
	within(c, "hold_ns", r.HoldNS, 0, mostSeconds*1e9)
	c.count("writes", r.Writes)
	c.part("overlapped", r.Overlapped, "writes", r.Writes)
	c.part("changed", r.Changed, "writes", r.Writes)
	c.part("tracked", r.Tracked, "writes", r.Writes)
	c.part("resubmitted", r.Resubmitted, "writes", r.Writes)
	c.part("torn", r.Torn, "writes", r.Writes)
	c.part("read_errors", r.ReadErrors, "torn", r.Torn)
	c.part("write_errors", r.WriteErrors, "writes", r.Writes)
	c.part("refused", r.Refused, "write_errors", r.WriteErrors)
}

func checkRepro(r record.Repro) error {
	var c check
	c.race(r)
	return c.err
}

func checkProve(r record.Prove) error {
	var c check
	if r.Scenario == string(prove.Race) {
		c.race(r.Repro)
		c.part("diverged", r.Diverged, "torn", r.Torn)
	} else { // what the others count is not all of writes
		c.count("writes", r.Writes)
		c.count("overlapped", r.Overlapped)
		c.count("changed", r.Changed)
		c.count("resubmitted", r.Resubmitted)
		c.count("torn", r.Torn)
		c.count("read_errors", r.ReadErrors)
		c.count("write_errors", r.WriteErrors)
		c.count("diverged", r.Diverged)
		c.part("refused", r.Refused, "write_errors", r.WriteErrors)
	}
	if r.Mismatches != nil {
		c.count("mismatches", *r.Mismatches)
	}
	if r.FirstFailure != nil {
		within(&c, "first_failure_seconds", *r.FirstFailure, 0, mostSeconds)
	}
	return c.err
}

func checkCost(r record.Cost) error {
	var c check
	within(&c, "size", r.Size, 1, mostWrite)
	within(&c, "depth", r.Depth, 1, 1<<20)
	within(&c, "mutated", r.Mutated, 0, 1)
	within(&c, "round", r.Round, 1, 1<<20)
	within(&c, "writes", r.Writes, 0, mostCount)
	within(&c, "changed", r.Changed, 0, r.Writes)
	within(&c, "overlapped", r.Overlapped, 0, r.Writes)
	within(&c, "changed_blocks", r.ChangedBlocks, 0, mostWrite)
	within(&c, "procs", r.Procs, 0, 1<<20)
	within(&c, "checked", r.Checked, 0, mostCount)
	within(&c, "torn", r.Torn, 0, r.Checked)
	within(&c, "delay_latency_ns", r.DelayLatencyNS, 0, mostSeconds*1e9)
	within(&c, "delay_bytes_per_second", r.DelayBytesPerSecond, 0, mostBytes)
	within(&c, "bytes", r.Bytes, 1, mostBytes)
	within(&c, "seconds", r.Seconds, 1e-9, mostSeconds)
	within(&c, "p50_ns", r.P50NS, 0, mostSeconds*1e9)
	within(&c, "p99_ns", r.P99NS, r.P50NS, mostSeconds*1e9)
	within(&c, "p999_ns", r.P999NS, r.P99NS, mostSeconds*1e9)
	within(&c, "cpu_user_seconds", r.CPUUserSeconds, 0, mostSeconds)
	within(&c, "cpu_system_seconds", r.CPUSystemSeconds, 0, mostSeconds)
	within(&c, "amplification", r.Amplification, 0, 1e6)
	c.kept("amplification", r.Amplification, r.Amplification == 0 || r.Amplification >= 1)
	c.kept("bytes", r.Bytes, r.Writes == 0 || r.Bytes == r.Writes*int64(r.Size))
	c.kept("target", r.Target, slices.Contains([]record.Target{"", record.OnFile, record.OnDevice, record.OnNull, record.OnDelay}, r.Target))
	c.kept("delay_latency_ns", r.DelayLatencyNS, r.Target != record.OnDelay || r.DelayLatencyNS > 0)
	c.kept("delay_bytes_per_second", r.DelayBytesPerSecond, r.Target != record.OnDelay || r.DelayBytesPerSecond > 0)
	c.kept("two_steps", r.TwoSteps, !r.TwoSteps || r.Mutated == 0)
	within(&c, "pool_peak", r.PoolPeak, 0, mostBytes)
	if r.Extents != nil {
		c.count("extents", *r.Extents)
	}
	return c.err
}

func checkPrecision(r record.Precision) error {
	var c check
	within(&c, "size", r.Size, 1, mostWrite)
	within(&c, "hold_ns", r.HoldNS, 0, mostSeconds*1e9)
	c.count("writes", r.Writes)
	c.count("blocks", r.Blocks)
	c.part("torn", r.Torn, "blocks", r.Blocks)
	c.part("resubmitted", r.Resubmitted, "blocks", r.Blocks)
	c.part("both", r.Both, "torn", r.Torn)
	c.part("both", r.Both, "resubmitted", r.Resubmitted)
	return c.err
}

func checkGuard(r record.Guard) error {
	var c check
	c.count("opens", r.Opens)
	c.count("cleared", r.Cleared)
	c.count("refused", r.Refused)
	c.count("stops", r.Stops)
	within(&c, "seconds", r.Seconds, 0, mostSeconds)
	return c.err
}

func checkWatch(r record.Watch) error {
	var c check
	within(&c, "writes", r.Writes, 0, mostCount)
	within(&c, "changed", r.Changed, 0, r.Writes)
	within(&c, "blocks", r.Blocks, r.Writes, mostCount)
	within(&c, "blocks_changed", r.BlocksChanged, r.Changed, r.Blocks)
	within(&c, "truncated", r.Truncated, 0, r.Writes)
	within(&c, "bios", r.Bios, 0, mostCount)
	within(&c, "untraced", r.Untraced, 0, mostCount)
	within(&c, "unnamed", r.Unnamed, 0, mostCount)
	within(&c, "sample", r.Sample, 1, 1<<32)
	within(&c, "max_blocks", r.MaxBlocks, 1, 1<<20)
	within(&c, "seconds", r.Seconds, 0, mostSeconds)
	c.kept("direct", r.Direct, r.Writes == 0 || r.Direct == r.Memory.Directness())
	if e := r.Example; e != nil {
		within(&c, "bytes", e.Bytes, 1, mostWrite)
		within(&c, "block", e.Block, 0, e.Bytes/512)
		within(&c, "blocks_changed", e.Blocks, 1, mostCount)
		within(&c, "in_flight_ns", e.InFlightNS, 0, mostSeconds*1e9)
	}
	return c.err
}

func checkProbe(r record.Probe) error {
	var c check
	c.count("writes", r.Writes)
	c.part("reached", r.Reached, "writes", r.Writes)
	c.part("write_errors", r.WriteErrors, "writes", r.Writes)
	within(&c, "mem_align", r.MemAlign, 0, mostWrite)
	within(&c, "offset_align", r.OffsetAlign, 0, mostWrite)
	return c.err
}
