// Package evaluate plans and runs the whole evaluation: races and timings.
package evaluate
