package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The help of the command names every variable, and so does the help of every flag that one stands for.
func TestHelpNamesEveryVariable(t *testing.T) {
	root := newRoot()
	found := map[string]int{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for name, variable := range variables {
			f := cmd.Flags().Lookup(name)
			if f == nil || cmd.Name() == "demo" { // whose Redis is not that of an application
				continue
			}
			found[variable]++
			if !strings.Contains(f.Usage, "(env "+variable+")") {
				t.Errorf("%s --%s: its help does not name %s", cmd.CommandPath(), name, variable)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	for _, variable := range append([]string{kekVariable, adminTokenVariable}, sortedVariables()...) {
		if !strings.Contains(root.Long, variable) {
			t.Errorf("the help of wafer does not name %s", variable)
		}
	}
	for _, variable := range sortedVariables() {
		if found[variable] == 0 {
			t.Errorf("%s stands for no flag", variable)
		}
	}
}

func sortedVariables() []string { return slices.Sorted(maps.Values(variables)) }
