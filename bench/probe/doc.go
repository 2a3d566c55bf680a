// Package probe finds out whether buffers that change in flight are a danger on
// a path: what the kernel and the device say, whose pages a write holds where root can
// watch that, and what writes show that change in flight.
package probe
