// Package prove runs the race, and programs as they are shipped, inside stock kernels,
// on layers that need stable pages and on controls that do not.
//
// Each victim gets a machine of its own, so that one that panics or hangs takes
// nothing with it. This process plans and boots; the same program, as
// init of the machine, sets the victim up, races and says Records.
package prove
