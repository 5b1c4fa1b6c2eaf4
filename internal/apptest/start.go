// Package apptest starts the binary of a test again, as a process of an application that the test
// uses. The process is told its settings in a variable of the environment, prints its address on a
// line when it serves, and ends when its standard input does.
package apptest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A Process is one that Start started. Its fields are not to be changed.
type Process struct {
	Cmd   *exec.Cmd
	Stdin io.Closer // closing it ends the process as a deployment does
	Addr  string    // that the process printed
}

// Main runs serve with its settings and ends the process, if Start started this process with name.
// Otherwise it returns. A TestMain calls it first.
func Main[S any](name string, serve func(S) error) {
	encoded, ok := os.LookupEnv(name)
	if !ok {
		return
	}
	var settings S
	err := json.Unmarshal([]byte(encoded), &settings)
	if err == nil {
		err = serve(settings)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Start starts a process with settings, as JSON, in the variable name. What it prints on standard
// error is appended to the file log. Start returns when the process serves. If it prints no address
// within patience, it is killed, and the error says what its log ends with.
func Start(name string, settings any, log string, patience time.Duration) (*Process, error) {
	encoded, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), name+"="+string(encoded))
	cmd.Stderr = file
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	giveUp := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	giveUp.Stop()
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, fmt.Errorf("it does not start: %w: %s", err, Tail(log))
	}
	return &Process{cmd, stdin, strings.TrimSpace(line)}, nil
}

// Tail returns the end of a log.
func Tail(log string) string {
	b, _ := os.ReadFile(log)
	return string(b[max(0, len(b)-4000):])
}
