package keys_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/keys"
)

// A fakeKMS stands for a KMS. It answers as the real one does, also when it refuses.
type fakeKMS struct {
	*httptest.Server
	asked atomic.Int64
	fault atomic.Pointer[fault]
	key   cipher.AEAD
	token string // that it accepts; "": it does not look
}

// A fault is a response that the real service gives when it cannot serve.
type fault struct {
	status int
	body   string
}

func newService(serve func(*fakeKMS, http.ResponseWriter, *http.Request)) *fakeKMS {
	b := make([]byte, 32)
	rand.Read(b)
	s := &fakeKMS{key: must(cipher.NewGCMWithRandomNonce(must(aes.NewCipher(b))))}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		if f := s.fault.Load(); f != nil {
			http.Error(w, f.body, f.status)
			return
		}
		serve(s, w, r)
	}))
	return s
}

// wrapped returns a new KEK, encrypted with the key of the service.
func (s *fakeKMS) wrapped() []byte {
	kek := make([]byte, 32)
	rand.Read(kek)
	return s.key.Seal(nil, nil, kek, nil)
}

func save(path string, b []byte) {
	if err := os.WriteFile(path, b, 0o600); err != nil {
		panic(err)
	}
}

// newVault returns a Vault with a transit key named wafer, and writes what its clients have.
func newVault(dir string) *fakeKMS {
	s := newService(vaultDecrypt)
	s.token = "hvs." + rand.Text()
	save(filepath.Join(dir, "token"), []byte(s.token+"\n"))
	save(filepath.Join(dir, "kek.vault"), []byte("vault:v1:"+base64.StdEncoding.EncodeToString(s.wrapped())))
	return s
}

// vaultDecrypt is POST /v1/transit/decrypt/wafer.
func vaultDecrypt(s *fakeKMS, w http.ResponseWriter, r *http.Request) {
	var in struct{ Ciphertext string }
	err := json.NewDecoder(r.Body).Decode(&in)
	text, versioned := strings.CutPrefix(in.Ciphertext, "vault:v1:")
	sealed, notBase64 := base64.StdEncoding.DecodeString(text)
	plain, altered := s.key.Open(nil, nil, sealed, nil)
	fail := func(status int, text string) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]any{"errors": []string{text}})
	}
	switch {
	case r.Header.Get("X-Vault-Token") != s.token:
		fail(http.StatusForbidden, "permission denied")
	case r.Method != "POST" || r.URL.Path != "/v1/transit/decrypt/wafer":
		fail(http.StatusNotFound, "encryption key not found")
	case err != nil || !versioned || notBase64 != nil:
		fail(http.StatusBadRequest, "invalid ciphertext: no prefix")
	case altered != nil:
		fail(http.StatusBadRequest, "cipher: message authentication failed")
	default:
		json.NewEncoder(w).Encode(map[string]any{"request_id": rand.Text(), "lease_duration": 0, "data": map[string][]byte{"plaintext": plain}})
	}
}

// newAWS returns an AWS KMS with a key alias/wafer, and writes what its clients have.
func newAWS(dir string) *fakeKMS {
	s := newService(awsDecrypt)
	save(filepath.Join(dir, "kek.aws"), s.wrapped())
	return s
}

// awsDecrypt is TrentService.Decrypt of AWS' JSON protocol.
func awsDecrypt(s *fakeKMS, w http.ResponseWriter, r *http.Request) {
	var in DecryptInput
	err := json.NewDecoder(r.Body).Decode(&in)
	plain, altered := s.key.Open(nil, nil, in.CiphertextBlob, nil)
	fail := func(kind, text string) {
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": text})
	}
	switch {
	case r.Method != "POST" || r.Header.Get("X-Amz-Target") != "TrentService.Decrypt" || err != nil:
		fail("UnknownOperationException", "")
	case in.KeyId == nil || *in.KeyId != "alias/wafer":
		fail("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
	case altered != nil || in.EncryptionContext["application"] != "shop":
		fail("InvalidCiphertextException", "")
	default:
		json.NewEncoder(w).Encode(map[string]any{"KeyId": "arn:aws:kms:eu-central-1:111122223333:key/1", "Plaintext": plain, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"})
	}
}

// awsClient stands for the client of the SDK. It signs nothing.
type awsClient struct{ url string }

func (c awsClient) Decrypt(ctx context.Context, in *DecryptInput, _ ...func(*Options)) (*DecryptOutput, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, "POST", c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService.Decrypt")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var out struct {
		DecryptOutput
		Type    string `json:"__type"`
		Message string
	}
	if err := json.NewDecoder(response.Body).Decode(&out); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("operation error KMS: Decrypt, https response error StatusCode: %d, api error %s: %s", response.StatusCode, out.Type, out.Message)
	}
	return &out.DecryptOutput, nil
}

// randomKEK returns a key for a KEKFile.
func randomKEK() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// mount changes what a folder shows as Kubernetes does: the files of a secret are in a folder of
// their own, and one link leads there, which is swapped.
func mount(dir string, entries map[string]string) {
	os.MkdirAll(dir, 0o700)
	version, err := os.MkdirTemp(dir, "..2026_")
	for name, value := range entries {
		save(filepath.Join(version, name), []byte(value))
		os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)) // may exist
	}
	if err == nil {
		err = os.Symlink(filepath.Base(version), filepath.Join(dir, "..data_tmp"))
	}
	if err == nil {
		err = os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))
	}
	if err != nil {
		panic(err)
	}
}

// kmsKinds are the services of the examples.
var kmsKinds = map[string]struct {
	start  func(dir string) *fakeKMS
	kek    func(s *fakeKMS, dir string) keys.KEK
	file   string // of the encrypted KEK
	faults []fault
}{
	"Vault": {newVault, func(s *fakeKMS, dir string) keys.KEK {
		return Vault{s.URL, filepath.Join(dir, "token"), "wafer"}.KEK(filepath.Join(dir, "kek.vault"))
	}, "kek.vault", []fault{
		{http.StatusServiceUnavailable, `{"errors":["Vault is sealed"]}`},
		{http.StatusForbidden, `{"errors":["permission denied"]}`}, // as for a token that expired
		{http.StatusTooManyRequests, `{"errors":["request path \"transit/decrypt/wafer\": rate limit quota exceeded"]}`},
		{http.StatusInternalServerError, `{"errors":["internal error"]}`},
		{http.StatusBadGateway, "<html>502 Bad Gateway</html>"},
		{http.StatusOK, `{"data":{"plaintext":"c2hvcnQ="}}`},
		{http.StatusOK, `{}`},
		{http.StatusOK, `{"data":`},
	}},
	"AWS": {newAWS, func(s *fakeKMS, dir string) keys.KEK {
		return CloudKEK(awsClient{s.URL}, "alias/wafer", filepath.Join(dir, "kek.aws"))
	}, "kek.aws", []fault{
		{http.StatusBadRequest, `{"__type":"ThrottlingException","message":"Rate exceeded"}`},
		{http.StatusBadRequest, `{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}`},
		{http.StatusBadRequest, `{"__type":"AccessDeniedException","Message":"User is not authorized to perform: kms:Decrypt"}`},
		{http.StatusBadRequest, `{"__type":"DisabledException","message":"arn:aws:kms:eu-central-1:111122223333:key/1 is disabled."}`},
		{http.StatusInternalServerError, `{"__type":"KMSInternalException"}`},
		{http.StatusServiceUnavailable, "upstream connect error"},
	}},
}

// A KMS that fails: a process that starts gets an error that says why, a process that runs keeps
// its ring, and the KMS is left alone for a while.
func TestKMSThatFails(t *testing.T) {
	for name, kind := range kmsKinds {
		for _, f := range kind.faults {
			t.Run(fmt.Sprint(name, " ", f.status, " ", f.body), func(t *testing.T) {
				dir := t.TempDir()
				s := kind.start(dir)
				defer s.Close()
				path := create(t, kind.kek(s, dir), keys.Generate(0))
				running := open(t, path, kind.kek(s, dir), keys.FileConfig{Poll: time.Millisecond})
				had := running.Ring()
				s.fault.Store(&f)

				before := s.asked.Load()
				starting := kind.kek(s, dir)
				for range 3 {
					_, err := keys.OpenFile(t.Context(), path, starting, keys.FileConfig{Logger: quiet})
					checkKMSError(t, s, f, err)
				}
				if n := s.asked.Load() - before; n != 1 {
					t.Errorf("asked %d times to open a ring", n)
				}

				before = s.asked.Load()
				for range 20 {
					if err := running.Edit(t.Context(), rotate); !errors.Is(err, keys.ErrKEK) {
						t.Errorf("Edit = %v", err)
					}
				}
				if n := s.asked.Load() - before; n != 1 || running.Ring() != had {
					t.Errorf("asked %d times for twenty edits; the ring is the same: %v", n, running.Ring() == had)
				}
			})
		}
	}
}

func checkKMSError(t *testing.T, s *fakeKMS, f fault, err error) {
	t.Helper()
	var answer struct {
		Errors  []string
		Type    string `json:"__type"`
		Message string
	}
	json.Unmarshal([]byte(f.body), &answer)
	for _, part := range append(answer.Errors, answer.Type, answer.Message) {
		if !errors.Is(err, keys.ErrKEK) || !strings.Contains(err.Error(), part) {
			t.Errorf("the error is %v, want %q in it", err, part)
		}
	}
	if s.token != "" && strings.Contains(err.Error(), s.token) {
		t.Error("the error shows the token")
	}
}

// The encrypted KEK is that of another key of the KMS, or is damaged.
func TestKMSWithAnotherKey(t *testing.T) {
	for name, kind := range kmsKinds {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := kind.start(dir)
			defer s.Close()
			path := create(t, kind.kek(s, dir), keys.Generate(0))
			good := read(t, filepath.Join(dir, kind.file))
			token, _ := os.ReadFile(filepath.Join(dir, "token"))
			kind.start(dir).Close() // writes what belongs to another one
			if token != nil {
				save(filepath.Join(dir, "token"), token)
			}
			for _, wrapped := range [][]byte{read(t, filepath.Join(dir, kind.file)), alter(good), good[:10], nil} {
				save(filepath.Join(dir, kind.file), wrapped)
				if _, err := kind.kek(s, dir).Open(t.Context(), read(t, path)); !errors.Is(err, keys.ErrKEK) {
					t.Errorf("%v", err)
				}
			}
			save(filepath.Join(dir, kind.file), good)
			if !opens(kind.kek(s, dir), read(t, path)) {
				t.Error("with the right one it does not open")
			}
		})
	}
}

// Vault Agent renews the token in its file.
func TestVaultTokenIsReadEachTime(t *testing.T) {
	dir := t.TempDir()
	s := newVault(dir)
	defer s.Close()
	kek := kmsKinds["Vault"].kek(s, dir)
	path := create(t, kek, keys.Generate(0))
	s.token = "hvs.renewed"
	save(filepath.Join(dir, "token"), []byte(s.token))
	if _, err := kek.Open(t.Context(), read(t, path)); err != nil {
		t.Error(err)
	}
}

// The ring moves from a file of its own to a KMS, while processes run with both.
func TestMovingToAKMS(t *testing.T) {
	for name, kind := range kmsKinds {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := kind.start(dir)
			defer s.Close()
			file, kms := kekOf(goldenKEK), kind.kek(s, dir)
			path := create(t, file, keys.Generate(0))
			f := open(t, path, keys.KEKs(file, kms), keys.FileConfig{})
			if n := s.asked.Load(); n != 0 {
				t.Errorf("the KMS was asked %d times before", n)
			}
			if err := keys.RewrapFile(t.Context(), path, file, kms); err != nil {
				t.Fatal(err)
			}
			if err := f.Edit(t.Context(), rotate); err != nil || opens(file, read(t, path)) || !opens(kms, read(t, path)) {
				t.Errorf("Edit = %v", err)
			}
		})
	}
}

// Pods see a change of a secret at different times. At each step, every pod opens the ring and
// edits it.
func TestKubernetesSecretChanges(t *testing.T) {
	old, next := randomKEK(), randomKEK()
	steps := []map[string]string{{"current": old}, {"current": old, "next": next}, {"current": next}}
	var mounts [3]string
	var pods [3]*keys.File
	ring := filepath.Join(t.TempDir(), "ring.jwe")
	for i := range mounts {
		mounts[i] = t.TempDir()
		mount(mounts[i], steps[0])
		kek := keys.KEKs(keys.KEKFile(filepath.Join(mounts[i], "current")), keys.KEKFile(filepath.Join(mounts[i], "next")))
		pods[i] = open(t, ring, kek, keys.FileConfig{Create: i == 0, PollOnly: true, Poll: time.Millisecond})
	}
	check := func(step string) {
		t.Helper()
		for i, f := range pods {
			if err := f.Edit(t.Context(), rotate); err != nil {
				t.Fatalf("%s: pod %d: %v", step, i, err)
			}
		}
		await(t, step+": all see all", func() bool {
			return doc(pods[0].Ring()) == doc(pods[2].Ring()) && doc(pods[1].Ring()) == doc(pods[2].Ring())
		})
	}
	for n, entries := range steps[1:] {
		for i := range mounts {
			mount(mounts[i], entries)
			check(fmt.Sprint("step ", n+1, " up to pod ", i))
		}
		if n == 0 {
			from, to := keys.KEKFile(filepath.Join(mounts[0], "current")), keys.KEKFile(filepath.Join(mounts[0], "next"))
			if err := keys.RewrapFile(t.Context(), ring, from, to); err != nil {
				t.Fatal(err)
			}
			check("rewrapped")
		}
	}
}
