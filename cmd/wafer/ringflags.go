package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/keys"
)

const (
	kekVariable     = "WAFER_KEK"
	newKEKVariable  = "WAFER_NEW_KEK"
	copyKEKVariable = "WAFER_COPY_KEK"

	lockTime   = 30 * time.Second // to wait for another process that writes, and to derive a key from a passphrase
	createTime = 30 * time.Second // to make a ring in Redis, which may be busy
)

// ringFlags say which file a ring is in, and what the ring is encrypted with, wherever it is.
type ringFlags struct {
	file                      string
	kekFiles, passphraseFiles []string // several while the KEK changes
	plaintext                 bool
}

func (f *ringFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "", "`FILE` with the ring")
	flags.StringArrayVar(&f.kekFiles, "kek-file", nil, "`FILE` with the key encryption key: 32 bytes, raw or in unpadded\nbase64url; give the flag twice while the key changes; "+kekVariable+" may\nhold the key itself, or several with commas")
	flags.StringArrayVar(&f.passphraseFiles, "passphrase-file", nil, "`FILE` with a passphrase, in place of the key encryption key")
	flags.BoolVar(&f.plaintext, "insecure-plaintext", false, "the ring is not encrypted: anybody who reads it can forge every\nsession")
	orVariable(cmd, "file", "kek-file")
	for _, name := range []string{"file", "kek-file", "passphrase-file"} {
		cmd.MarkFlagFilename(name)
	}
}

// kek returns the KEK of the ring. If several are named, the ring may be under any of them, and a new
// ring is encrypted with the first.
func (f *ringFlags) kek() (keys.KEK, error) {
	var all []keys.KEK
	for _, path := range f.kekFiles {
		all = append(all, keys.KEKFile(path))
	}
	for _, path := range f.passphraseFiles {
		all = append(all, keys.PassphraseFile(path))
	}
	switch {
	case f.plaintext && len(all) > 0:
		return keys.KEK{}, usagef("give one of --kek-file, --passphrase-file and --insecure-plaintext")
	case f.plaintext:
		return keys.InsecurePlaintext(), nil
	case len(all) == 0 && os.Getenv(kekVariable) != "":
		all = variableKEKs(kekVariable)
	case len(all) == 0:
		return keys.KEK{}, usagef("what is the ring encrypted with? Give --kek-file FILE ('wafer keys new' makes the file), --passphrase-file FILE, or set %s", kekVariable)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return keys.KEKs(all[0], all[1:]...), nil
}

// namesKEK reports whether flags say what the ring is encrypted with.
func (f *ringFlags) namesKEK() bool {
	return len(f.kekFiles)+len(f.passphraseFiles) > 0 || f.plaintext
}

// firstKEKFile returns the file of the KEK that a new ring is encrypted with, "" if that is in no file.
func (f *ringFlags) firstKEKFile() string {
	if len(f.kekFiles) == 0 {
		return ""
	}
	return f.kekFiles[0]
}

// onlyFile reports whether the ring can be encrypted with the key in that file alone.
func (f *ringFlags) onlyFile(path string) bool {
	return len(f.kekFiles) == 1 && len(f.passphraseFiles) == 0 && filepath.Clean(f.kekFiles[0]) == filepath.Clean(path)
}

// variableKEKs returns the KEKs that a variable holds, with commas between them.
func variableKEKs(name string) (all []keys.KEK) {
	values := strings.Split(os.Getenv(name), ",")
	if len(values) == 1 {
		return []keys.KEK{keys.KEKEnv(name)}
	}
	for i, text := range values {
		all = append(all, keys.KEKFunc(func(context.Context) ([]byte, error) {
			b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimSpace(text))
			if err != nil || len(b) != 32 {
				return nil, fmt.Errorf("value %d of %s is not 32 bytes in unpadded base64url", i+1, name)
			}
			return b, nil
		}))
	}
	return all
}

// A namedKEK is one key encryption key, as flags with a common prefix name it: --to-kek-file,
// --to-passphrase-file, --to-insecure-plaintext.
type namedKEK struct {
	prefix               string // of the flags: "new-", "to-", "from-"
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
