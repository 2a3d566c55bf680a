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

// flagValues lists, for completion by the shell, the values of flags that accept only
// certain names.
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

// each returns f of each of all.
func each[T, U any](all []T, f func(T) U) (mapped []U) {
	for _, v := range all {
		mapped = append(mapped, f(v))
	}
	return mapped
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
