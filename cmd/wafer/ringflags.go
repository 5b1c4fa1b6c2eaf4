package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/wafer-sessions/wafer/keys"
)

const (
	kekVariable = "WAFER_KEK"
	lockTime    = 10 * time.Second // to wait for another process that writes
)

// ringFlags say where a ring is and what it is encrypted with.
type ringFlags struct {
	file, kekFile, passphraseFile string
	plaintext                     bool
}

func (f *ringFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "", "`FILE` with the ring")
	flags.StringVar(&f.kekFile, "kek-file", "", "`FILE` with the key encryption key: 32 bytes, raw or in unpadded\nbase64url; "+kekVariable+" may hold the key itself")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "`FILE` with a passphrase, in place of the key encryption key")
	flags.BoolVar(&f.plaintext, "insecure-plaintext", false, "the ring is not encrypted: anybody who reads the file can\nforge every session")
	orVariable(cmd, "file", "kek-file")
	for _, name := range []string{"file", "kek-file", "passphrase-file"} {
		cmd.MarkFlagFilename(name)
	}
}

func (f *ringFlags) kek() (keys.KEK, error) {
	var given []keys.KEK
	if f.kekFile != "" {
		given = append(given, keys.KEKFile(f.kekFile))
	}
	if f.passphraseFile != "" {
		given = append(given, keys.PassphraseFile(f.passphraseFile))
	}
	if f.plaintext {
		given = append(given, keys.InsecurePlaintext())
	}
	switch {
	case len(given) > 1:
		return keys.KEK{}, usagef("give one of --kek-file, --passphrase-file and --insecure-plaintext")
	case len(given) == 1:
		return given[0], nil
	case os.Getenv(kekVariable) != "":
		return keys.KEKEnv(kekVariable), nil
	}
	return keys.KEK{}, usagef("what is the ring encrypted with? Give --kek-file FILE ('wafer keys new' makes the file), --passphrase-file FILE, or set %s", kekVariable)
}

// open opens the ring to read it once, or to change it once.
func (f *ringFlags) open(ctx context.Context) (*keys.File, error) {
	if f.file == "" {
		return nil, usagef("which ring? Give --file FILE")
	}
	kek, err := f.kek()
	if err != nil {
		return nil, err
	}
	file, err := keys.OpenFile(ctx, f.file, kek, keys.FileConfig{
		Poll: time.Hour, PollOnly: true, Logger: slog.New(slog.DiscardHandler),
	})
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, keys.ErrKEK) {
		return nil, noRing(f.file)
	}
	return file, err
}

func noRing(file string) error {
	return errors.New("there is no ring " + file + "; 'wafer keys new' makes one")
}

// edit changes the ring.
func (f *ringFlags) edit(ctx context.Context, change func(*keys.Ring) (*keys.Ring, error)) (before, after *keys.Ring, err error) {
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	file, err := f.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	err = file.Edit(ctx, func(r *keys.Ring) (*keys.Ring, error) {
		before = r
		return change(r)
	})
	return before, file.Ring(), err
}

// read returns the ring.
func (f *ringFlags) read(ctx context.Context) (*keys.Ring, error) {
	file, err := f.open(ctx)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return file.Ring(), nil
}
