// Package evaluate is the whole evaluation: a plan of races and timings, a file
// each kind, and Run, which carries it out.
package evaluate
