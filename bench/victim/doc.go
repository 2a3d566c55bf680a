// Package victim has the layers of Linux that need stable pages, and controls
// that do not: each a file, with what it takes to set it up on bare disks and
// with an oracle of its own beside the reading back of a race.
//
// They are set up by root on a machine that nobody else uses: package kernel
// makes one.
package victim
