// Package record reads, checks, merges and writes Records, which hold the results of the
// tools as JSON, one object a line, and describes the system that they come from.
//
// A Record says what a tool counted and measured. Verdicts, tables and plots are made
// from Records by their readers.
package record
