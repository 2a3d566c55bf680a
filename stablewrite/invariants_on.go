//go:build invariants

package stablewrite

// Built with the tag invariants, memory that was given back to a Pool is
// poisoned, and whoever writes to it afterwards is found out when it is used
// next. Tests run with it.
const invariants = true
