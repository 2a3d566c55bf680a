// Package findings says what Records mean, once for all formats: verdicts, answers,
// tables and figures as values. Package report lays these out and computes nothing.
//
// A table or a sentence without measurements is left out. Races and timings of
// different systems are never added up or compared.
package findings
