package main

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/keys"
)

const (
	kekVariable     = "WAFER_KEK"
	newKEKVariable  = "WAFER_NEW_KEK"
	copyKEKVariable = "WAFER_COPY_KEK"

	lockTime = 10 * time.Second // to wait for another process that writes
)

// ringFlags say which file a ring is in, and what the ring is encrypted with, wherever it is.
type ringFlags struct {
	file                    string
	kekFile, passphraseFile string
	plaintext               bool
}

func (f *ringFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "", "`FILE` with the ring")
	flags.StringVar(&f.kekFile, "kek-file", "", "`FILE` with the key encryption key: 32 bytes, raw or in unpadded\nbase64url; "+kekVariable+" may hold the key itself")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "`FILE` with a passphrase, in place of the key encryption key")
	flags.BoolVar(&f.plaintext, "insecure-plaintext", false, "the ring is not encrypted: anybody who reads it can forge every\nsession")
	orVariable(cmd, "file", "kek-file")
	for _, name := range []string{"file", "kek-file", "passphrase-file"} {
		cmd.MarkFlagFilename(name)
	}
}

func (f *ringFlags) kek() (keys.KEK, error) {
	n := namedKEK{file: f.kekFile, passphraseFile: f.passphraseFile, plaintext: f.plaintext, variable: kekVariable}
	kek, _, err := n.kek("what is the ring encrypted with? Give --kek-file FILE ('wafer keys new' makes the file), --passphrase-file FILE, or set " + kekVariable)
	return kek, err
}

// A namedKEK is a key encryption key, as flags with a common prefix name it: --new-kek-file,
// --new-passphrase-file, --new-insecure-plaintext.
type namedKEK struct {
	prefix               string // of the flags: "", "new-"
	variable             string // of the environment, which may hold the key itself
	file, passphraseFile string
	plaintext            bool
}

// kek returns the key encryption key, and what to call it. none is the error if there is none.
func (n *namedKEK) kek(none string) (kek keys.KEK, what string, _ error) {
	given := 0
	for _, g := range []struct {
		named bool
		kek   func() keys.KEK
		what  string
	}{
		{n.file != "", func() keys.KEK { return keys.KEKFile(n.file) }, "the key of " + n.file},
		{n.passphraseFile != "", func() keys.KEK { return keys.PassphraseFile(n.passphraseFile) }, "the passphrase of " + n.passphraseFile},
		{n.plaintext, keys.InsecurePlaintext, "nothing: it is in plain text"},
	} {
		if g.named {
			given++
			kek, what = g.kek(), g.what
		}
	}
	switch {
	case given > 1 && !n.plaintext:
		return keys.KEK{}, "", usagef("give one of --%[1]skek-file and --%[1]spassphrase-file", n.prefix)
	case given > 1:
		return keys.KEK{}, "", usagef("give one of --%[1]skek-file, --%[1]spassphrase-file and --%[1]sinsecure-plaintext", n.prefix)
	case given == 1:
		return kek, what, nil
	case os.Getenv(n.variable) != "":
		return keys.KEKEnv(n.variable), "the key of " + n.variable, nil
	}
	return keys.KEK{}, "", usagef("%s", none)
}

// isMissing reports whether a file is named that does not exist.
func isMissing(file string) bool {
	_, err := os.Stat(file)
	return file != "" && errors.Is(err, fs.ErrNotExist)
}
