// Package report lays out findings as text, CSV, benchfmt, or one HTML file. It
// computes nothing: every format shows the same verdicts, tables and figures.
package report
