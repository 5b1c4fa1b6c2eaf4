package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command and flag that a page shows exists. The changelog may name what is gone.
func TestPagesShowCommandsThatExist(t *testing.T) {
	root := newRoot()
	root.InitDefaultHelpCmd()
	root.InitDefaultVersionFlag()
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	commands, flags := 0, 0
	for _, name := range append(pages, "../../README.md", "../../SECURITY.md", "../../CONTRIBUTING.md") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)(?:^    |`|\\$\\(|cmd/)wafer( [^`#|\n)]+)").FindAllStringSubmatch(string(b), -1) {
			commands++
			if cmd, problem := find(root, strings.Fields(m[1])); problem != "" {
				t.Errorf("%s: wafer%s: %s of %q", name, m[1], problem, cmd.CommandPath())
			}
		}
		for _, m := range regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(string(b), -1) {
			if flags++; !anyHas(root, m[1]) {
				t.Errorf("%s: no command has the flag --%s", name, m[1])
			}
		}
	}
	if commands < 20 || flags < 5 {
		t.Errorf("found %d commands and %d flags", commands, flags)
	}
}

// find returns the command that words begin with, and what is wrong with the rest of them.
func find(root *cobra.Command, words []string) (cmd *cobra.Command, problem string) {
	cmd, rest, err := root.Find(words)
	if err != nil || cmd == root {
		return root, "unknown command"
	}
	if cmd.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return cmd, "unknown command"
	}
	for _, word := range rest {
		if flag, isFlag := strings.CutPrefix(word, "--"); isFlag && !has(cmd, flag) {
			return cmd, "unknown flag --" + flag
		}
	}
	return cmd, ""
}

func has(cmd *cobra.Command, flag string) bool {
	return cmd.Flags().Lookup(flag) != nil || cmd.InheritedFlags().Lookup(flag) != nil
}

func anyHas(cmd *cobra.Command, flag string) bool {
	if has(cmd, flag) {
		return true
	}
	for _, sub := range cmd.Commands() {
		if anyHas(sub, flag) {
			return true
		}
	}
	return false
}
