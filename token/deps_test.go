package token_test

import (
	"os/exec"
	"strings"
	"testing"
)

// A token cannot reach code that is not linked in: decompression, key derivation that a header
// could demand, a decoder that creates types, the network.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../internal/jwe", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("%d dependencies, that is too few to be true", len(deps))
	}
	for _, dep := range deps {
		if strings.HasPrefix(dep, "compress/") || dep == "net" || strings.HasPrefix(dep, "net/") && dep != "net/netip" ||
			dep == "crypto/pbkdf2" || dep == "encoding/gob" || dep == "crypto/tls" {
			t.Errorf("depends on %s", dep)
		}
	}
}
