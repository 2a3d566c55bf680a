// Package record holds the results that the tools write, one JSON object a
// line, and describes the system that they come from.
//
// A Record says what was counted and measured, never what to think of it:
// verdicts, tables and plots are made from Records by their readers.
package record
