package chart

import (
	"fmt"
	"math"
)

// Axis maps values to a length.
type Axis struct {
	Min, Max float64
	Log      bool
	Ticks    []Tick // the most important first
}

// Tick is a named value on an Axis.
type Tick struct {
	At   float64
	Text string
}

// Ratios is a logarithmic Axis that covers values and 1.
func Ratios(values []float64) Axis {
	a := Axis{Min: 0.95, Max: 1.05, Log: true}
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			a.Min, a.Max = math.Min(a.Min, v), math.Max(a.Max, v)
		}
	}
	a.Min, a.Max = math.Max(a.Min/1.04, 1e-4), math.Min(a.Max*1.04, 1e4)
	for _, v := range []float64{1, 0.5, 2, 0.75, 1.5, 0.25, 4, 0.1, 10, 0.9, 1.1, 0.8, 1.25, 0.95, 1.05, 0.01, 100, 0.001, 1000} {
		a.Ticks = append(a.Ticks, Tick{v, fmt.Sprintf("%.4g", v)})
	}
	return a
}

// Shares is an Axis from 0% to 100%.
func Shares() Axis {
	return Axis{Max: 1, Ticks: []Tick{{0, "0%"}, {1, "100%"}, {0.5, "50%"}, {0.25, "25%"}, {0.75, "75%"}}}
}

// place maps v to a coordinate between from and to. A value off the axis goes to its end.
func (a Axis) place(v float64, from, to px) px {
	at := func(v float64) float64 { return v }
	if a.Log {
		at = math.Log
	}
	share := (at(v) - at(a.Min)) / (at(a.Max) - at(a.Min))
	if math.IsNaN(share) {
		share = 0
	}
	return from + px(math.Max(0, math.Min(1, share)))*(to-from)
}

// thin keeps the ticks whose texts do not touch between from and to. size is that of a
// text along the axis.
func (a Axis) thin(from, to px, size func(string) px) (kept []Tick) {
	for _, t := range a.Ticks {
		x, free := a.place(t.At, from, to), true
		for _, k := range kept {
			gap := (size(t.Text)+size(k.Text))/2 + 6
			free = free && px(math.Abs(float64(a.place(k.At, from, to)-x))) >= gap
		}
		if free && t.At >= a.Min && t.At <= a.Max {
			kept = append(kept, t)
		}
	}
	return kept
}
