package main

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

// variables are the environment variables that stand for flags that are not given. The key encryption
// key and the token of the admin API have variables and no flags: a flag shows in the list of
// processes. For a flag that may be given several times, a variable holds a list as PATH does.
var variables = map[string]string{
	"redis": "WAFER_REDIS", "prefix": "WAFER_PREFIX",
	"audit": "WAFER_AUDIT",
	"file":  "WAFER_RING", "kek-file": "WAFER_KEK_FILE",
	"admin": "WAFER_ADMIN", "admin-ca": "WAFER_ADMIN_CA", "admin-cert": "WAFER_ADMIN_CERT", "admin-key": "WAFER_ADMIN_KEY",
}

// exclusive lists flags that exclude each other. If one of them is given, no variable stands for
// another.
var exclusive = [][]string{
	{"redis", "bolt", "admin", "ring-only"},
	{"file", "admin"},
	{"kek-file", "passphrase-file", "insecure-plaintext"},
}

const hasVariable = "wafer_variable" // annotation of a flag

// orVariable lets variables stand for the named flags of cmd, and says so in their help.
func orVariable(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().SetAnnotation(name, hasVariable, nil)
		cmd.Flags().Lookup(name).Usage += " (env " + variables[name] + ")"
	}
}

// readEnvironment sets the flags of cmd that are not given from their variables.
func readEnvironment(cmd *cobra.Command) error {
	for name, variable := range variables {
		f := cmd.Flags().Lookup(name)
		if f == nil || f.Changed || f.Hidden || os.Getenv(variable) == "" {
			continue
		}
		if _, ok := f.Annotations[hasVariable]; !ok || excluded(cmd, name) {
			continue
		}
		values := []string{os.Getenv(variable)}
		if _, several := f.Value.(interface{ GetSlice() []string }); several {
			values = filepath.SplitList(values[0])
		}
		for _, v := range values {
			if err := f.Value.Set(v); err != nil {
				return usagef("%s: %w", variable, err)
			}
		}
	}
	return nil
}

// excluded reports whether a flag is given that excludes the named one.
func excluded(cmd *cobra.Command, name string) bool {
	for _, group := range exclusive {
		if slices.Contains(group, name) && given(cmd, group...) {
			return true
		}
	}
	return false
}

// given reports whether one of the flags stands on the command line.
func given(cmd *cobra.Command, names ...string) bool {
	return slices.ContainsFunc(names, cmd.Flags().Changed)
}
