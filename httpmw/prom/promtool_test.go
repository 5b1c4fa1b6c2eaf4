package prom_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/wafer-sessions/wafer/httpmw/prom"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

// promtool finds nothing wrong with the names, the units and the types. make e2e installs it.
func TestPromtoolAcceptsTheMetrics(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed: Debian has it in the package prometheus")
	}
	list, err := revocation.Open(t.Context(), measured{revlog.NewMemory()}, keys.Generate(0), revocation.Config{Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	check := exec.Command(tool, "check", "metrics")
	check.Stdin = strings.NewReader(exposition(t, prom.Parts{
		Apps: map[string]prom.Manager{"shop": fake{}}, Movers: map[string]prom.Mover{"gorilla": fakeMover{}},
		Receivers: map[string]prom.Receiver{"idp": receiver{}}, List: list, Keys: keys.Static(keys.Generate(0)),
	}))
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v:\n%s", err, out)
	}
}
