package main

import (
	"strings"

	"github.com/spf13/cobra"

	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/bench/report"
	"stablepages/bench/victim"
	"stablepages/stablewrite"
)

// flagValues are the values of flags that accept only certain names, for completion by
// the shell.
func flagValues() map[string][]string {
	strategies := each(stablewrite.Strategies(), stablewrite.Strategy.String)
	mutators := each(mutator.Kinds(), mutator.Kind.String)
	return map[string][]string{
		"strategy": strategies, "strategies": strategies,
		"mutator": mutators, "mutators": mutators,
		"kernels":   each(kernel.AllSeries(), func(s kernel.Series) string { return s.Name }),
		"victims":   each(victim.All(), func(v victim.Victim) string { return v.Name }),
		"scenarios": each(prove.Scenarios(), func(s record.Scenario) string { return string(s) }),
		"detect":    {"digest", "crc32c", "tracking"}, "in": {"process", "thread"}, "target": {"null", "delay"},
		"accel":  {string(kernel.Emulated), string(kernel.KVM)},
		"format": each(report.Formats(), func(f report.Format) string { return f.Name }),
	}
}

func each[T any](all []T, name func(T) string) (names []string) {
	for _, v := range all {
		names = append(names, name(v))
	}
	return names
}

// completeChoices makes the shell complete the values of cmd's flags, also after a comma.
func completeChoices(cmd *cobra.Command) {
	for flag, names := range flagValues() {
		if cmd.Flag(flag) == nil {
			continue
		}
		complete := func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			given := typed[:strings.LastIndex(typed, ",")+1]
			values := each(names, func(name string) string { return given + name })
			if flag == "target" { // or a file
				return values, cobra.ShellCompDirectiveDefault
			}
			return values, cobra.ShellCompDirectiveNoFileComp
		}
		if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic(err) // the flag is registered twice
		}
	}
}
