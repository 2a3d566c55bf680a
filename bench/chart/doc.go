// Package chart draws: axes, dots with their intervals, and lines, as SVG. Colours are
// those of CSS, and nothing is told by colour alone.
package chart
