// Package chart draws axes, dots with their intervals, and lines as SVG. CSS chooses the
// colours, and shapes differ, too, for readers who see no colours.
package chart
