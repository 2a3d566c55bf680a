package prove

import (
	"cmp"
	"context"

	"stablepages/bench/probe"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// probe runs the command probe on the stage, so that its answer can be compared with the
// races.
func (g *guest) probe() error {
	g.doing("probe")
	device := g.stage.Directory == ""
	p, err := probe.Run(context.Background(), cmp.Or(g.stage.Directory, g.stage.Target.Name()), device, some(g.job.Quick, probe.Writes))
	if err != nil {
		return err
	}
	return g.say(record.Prove{
		Repro: record.Repro{
			Strategy: stablewrite.Raw, Size: raceBytes,
			Writes: p.Writes + p.Free, Overlapped: p.Writes + p.Free, Torn: p.Reached, WriteErrors: p.WriteErrors + p.Failed,
			System: p.System,
		},
		Answer: probe.StateOf(p).String(), Evidence: probe.Advise(p).Said,
	})
}
