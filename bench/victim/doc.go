// Package victim has the layers of Linux that need stable pages, and controls that do not.
// Each is a file: how it is set up on bare disks, and its oracle, beside the reading back
// of a race.
//
// Root sets them up on a machine that nobody else uses: package kernel makes one.
package victim
