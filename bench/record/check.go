package record

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Limits of numbers. The sum of maxRecords counts does not overflow their types.
const (
	mostCount = 1e12 // also of seconds, and of the bytes of one write
	mostBytes = 1e15
	mostNS    = 1e18
)

// check finds the first number of a Record that makes no sense.
type check struct {
	numbers map[string]float64 // by the path of the field: "writes", "example.bytes"
	err     error
}

// fields visits v and its fields, named as in JSON. It bounds numbers, and makes texts fit
// for a terminal, since a Record may come from anybody.
func (c *check) fields(path string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(shown(v.String(), maxString))
	case reflect.Int, reflect.Int64:
		c.number(path, float64(v.Int()), v)
	case reflect.Float64:
		c.number(path, v.Float(), v)
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if path != "" && name != "" {
				name = path + "." + name
			}
			c.fields(name, v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.fields(path, v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			c.fields(path, v.Elem())
		}
	}
}

func (c *check) number(path string, n float64, v reflect.Value) {
	most := float64(mostCount)
	switch name := path[strings.LastIndex(path, ".")+1:]; {
	case strings.HasSuffix(name, "_ns"):
		most = mostNS
	case strings.HasPrefix(name, "bytes"):
		most = mostBytes
	}
	c.require(path, v, n >= 0 && n <= most)
	c.numbers[path] = n
}

// require sets the error for the value of a field unless ok.
func (c *check) require(path string, value any, ok bool) {
	if c.err == nil && !ok {
		c.err = fmt.Errorf("%s is %v, which makes no sense", path, value)
	}
}

// parts requires that no part is more than all.
func (c *check) parts(all string, parts ...string) {
	for _, part := range parts {
		if n, of := c.numbers[part], c.numbers[all]; c.err == nil && n > of {
			c.err = fmt.Errorf("%s is %.0f, of %.0f %s, which makes no sense", part, n, of, all)
		}
	}
}

// some requires that the numbers are not 0.
func (c *check) some(names ...string) {
	for _, name := range names {
		c.require(name, c.numbers[name], c.numbers[name] > 0)
	}
}

func (r Repro) check(c *check) {
	c.some("size")
	c.parts("writes", "overlapped", "changed", "tracked", "resubmitted", "torn", "write_errors")
	c.parts("torn", "read_errors")
	c.parts("write_errors", "refused")
}

func (r Prove) check(c *check) {
	if r.Scenario != Race { // other scenarios count different things
		c.parts("write_errors", "refused")
		return
	}
	r.Repro.check(c)
	c.parts("torn", "diverged")
}

func (r Cost) check(c *check) {
	c.some("size", "depth", "round", "bytes")
	c.parts("writes", "changed", "overlapped")
	c.parts("checked", "torn")
	c.require("seconds", r.Seconds, r.Seconds >= 1e-9)
	c.require("mutated", r.Mutated, r.Mutated <= 1)
	c.require("p99_ns", r.P99NS, r.P99NS >= r.P50NS)
	c.require("p999_ns", r.P999NS, r.P999NS >= r.P99NS)
	c.require("amplification", r.Amplification, r.Amplification == 0 || r.Amplification >= 1 && r.Amplification <= 1e6)
	c.require("bytes", r.Bytes, r.Writes == 0 || r.Bytes == r.Writes*int64(r.Size))
	c.require("target", r.Target, slices.Contains([]Target{"", OnFile, OnDevice, OnNull, OnDelay}, r.Target))
	c.require("two_steps", r.TwoSteps, !r.TwoSteps || r.Mutated == 0)
	if r.Target == OnDelay {
		c.some("delay_latency_ns", "delay_bytes_per_second")
	}
}

func (r Precision) check(c *check) {
	c.some("size")
	c.parts("blocks", "torn", "resubmitted")
	c.parts("torn", "both")
	c.parts("resubmitted", "both")
}

func (r Guard) check(*check) {}

func (r Watch) check(c *check) {
	c.some("sample", "max_blocks")
	c.parts("writes", "changed", "truncated")
	c.parts("blocks", "writes", "blocks_changed")
	c.parts("blocks_changed", "changed")
	c.require("direct", r.Direct, r.Writes == 0 || r.Direct == r.Memory.Directness())
	if e := r.Example; e != nil {
		c.some("example.bytes", "example.blocks_changed")
		c.require("example.block", e.Block, e.Block <= e.Bytes/512)
	}
}

func (r Probe) check(c *check) { c.parts("writes", "reached", "write_errors") }
