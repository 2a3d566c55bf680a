// Package prove runs the race, and programs as they are shipped, inside stock kernels,
// on layers that need stable pages and on controls that do not.
//
// Each victim gets its machine, so that a victim that panics or hangs harms no other. This
// process plans and boots. The same program, as init of the machine, sets the victim up,
// races, and sends Records.
package prove
