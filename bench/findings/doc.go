// Package findings says what Records mean, once for all formats: verdicts, answers,
// tables and figures as values. Package report lays these out and computes nothing.
//
// Where nothing was measured nothing is found. Races and timings of different systems
// are never added up or compared.
package findings
