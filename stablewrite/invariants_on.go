//go:build invariants

package stablewrite

// With the build tag invariants, memory that was given back to a Pool is poisoned. A later
// write to it panics when the memory is used next. Tests run with the tag.
const invariants = true
