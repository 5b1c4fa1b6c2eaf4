package keys_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/wafer-sessions/wafer/keys"
)

// Vault says how to reach a key of HashiCorp Vault's transit engine.
type Vault struct {
	Addr      string // https://vault.internal:8200
	TokenFile string // where Vault Agent keeps a token that may call transit/decrypt/KEY, and nothing else
	Key       string // name of the transit key
}

// KEK returns a KEK that Vault decrypts. The file holds it as Vault encrypted it, which is safe to
// keep beside the ring:
//
//	vault write -field=ciphertext -f transit/datakey/wrapped/KEY > kek.vault
func (v Vault) KEK(file string) keys.KEK {
	return keys.KEKFunc(func(ctx context.Context) ([]byte, error) {
		wrapped, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		token, err := os.ReadFile(v.TokenFile) // each time: it expires, and the agent renews it
		if err != nil {
			return nil, err
		}
		return v.decrypt(ctx, strings.TrimSpace(string(token)), strings.TrimSpace(string(wrapped)))
	})
}

func (v Vault) decrypt(ctx context.Context, token, ciphertext string) ([]byte, error) {
	body, err := json.Marshal(map[string]string{"ciphertext": ciphertext})
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, "POST", v.Addr+"/v1/transit/decrypt/"+v.Key, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Vault-Token", token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Errors []string
		Data   struct{ Plaintext []byte } // base64
	}
	err = json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&answer)
	switch {
	case response.StatusCode != http.StatusOK: // with a body that a proxy may have written
		return nil, fmt.Errorf("vault: %s: %s", response.Status, strings.Join(answer.Errors, "; "))
	case err != nil:
		return nil, fmt.Errorf("vault: %w", err)
	}
	return answer.Data.Plaintext, nil
}

// HashiCorp Vault keeps the key that encrypts the KEK, and never gives it away.
func ExampleKEKFunc_vault() {
	dir, err := os.MkdirTemp("", "wafer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	server := newVault(dir) // stands for the real one, and writes kek.vault and token
	defer server.Close()

	vault := Vault{Addr: server.URL, TokenFile: filepath.Join(dir, "token"), Key: "wafer"}
	kek := vault.KEK(filepath.Join(dir, "kek.vault"))

	file, err := keys.OpenFile(context.Background(), filepath.Join(dir, "ring.jwe"), kek, keys.FileConfig{Create: true})
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	fmt.Println(len(file.Ring().Keys()), "key")
	// Output: 1 key
}
