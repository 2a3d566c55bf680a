// Package report reads the Records that the tools write and says what they mean:
// as text, CSV, benchfmt, or one HTML file.
//
// Every verdict and table is made here, or in package prove for what happened
// inside other kernels and in package watch for programs that were watched, and
// every format shows the same ones. Where nothing was
// measured nothing is shown. Races and timings of different systems are never
// added up.
package report
