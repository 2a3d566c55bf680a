// Command asm generates the amd64 kernels of package crcguard, whose doc.go says
// how they work and whose go:generate line runs this.
package main

import . "github.com/mmcloughlin/avo/build"

func main() {
	ConstraintExpr("gc,!purego")
	for _, s := range []stores{noStores, cachedStores, streamingStores} {
		blocks(new(foldAVX512), s)
		blocks(new(gapSSE42), s)
	}
	blocks(new(foldSSE42), noStores)
	Generate()
}
