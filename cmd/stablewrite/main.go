// Command stablewrite shows what happens when a buffer changes while a direct write of it
// is in flight, with and without the fix that was proposed in 2011, and what the fix costs.
// See stablewrite --help.
package main

import (
	"os"

	"stablepages/bench/guard"
	"stablepages/bench/mutator"
	"stablepages/bench/prove"
)

func main() {
	mutator.Main()
	guard.Main()
	prove.Main()
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
