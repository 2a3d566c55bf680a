// Package probe finds out whether buffers that change in flight are a danger on a path:
// by what the kernel and the device tell, by the results of writes that change in flight,
// and, as root, by whose pages a write has.
package probe
