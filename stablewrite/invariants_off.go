//go:build !invariants

package stablewrite

const invariants = false
