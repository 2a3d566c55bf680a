// Package probe finds out whether buffers that change in flight are a danger on
// a path: what the kernel and the device say, and what gated writes show.
package probe
