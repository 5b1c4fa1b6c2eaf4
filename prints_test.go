package wafer_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/httpmw"
	"github.com/wafer-sessions/wafer/httpmw/admin"
	"github.com/wafer-sessions/wafer/httpmw/admin/console"
	"github.com/wafer-sessions/wafer/httpmw/adopt"
	"github.com/wafer-sessions/wafer/httpmw/backchannel"
	"github.com/wafer-sessions/wafer/httpmw/devices"
	"github.com/wafer-sessions/wafer/httpmw/devices/devicestest"
	"github.com/wafer-sessions/wafer/httpmw/devices/redisdevices"
	"github.com/wafer-sessions/wafer/httpmw/devices/sqldevices"
	"github.com/wafer-sessions/wafer/httpmw/gorilla"
	"github.com/wafer-sessions/wafer/httpmw/oauth"
	"github.com/wafer-sessions/wafer/httpmw/otel"
	"github.com/wafer-sessions/wafer/httpmw/prom"
	"github.com/wafer-sessions/wafer/httpmw/wafertest"
	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
	"github.com/wafer-sessions/wafer/revocation"
	"github.com/wafer-sessions/wafer/revocation/redisstore"
	"github.com/wafer-sessions/wafer/revocation/revlog"
	wafertoken "github.com/wafer-sessions/wafer/token"
)

// harmless are the exported types that hold no secret, no token and no id of a person, and the
// reason. They may be printed as they are. TestNothingPrintsASecret prints every other exported
// type. A new type must be in one of the two.
var harmless = map[string]string{
	"adopt.Config":         "a name and two times",
	"admin.Caller":         "a name and roles of an operator",
	"admin.Role":           "a word",
	"audit.By":             "what audit records tell of the one who acts",
	"audit.Call":           "words of a refused request",
	"audit.Change":         "ids of keys, which tokens show",
	"audit.Record":         "what audit records tell",
	"audit.Target":         "a tag",
	"audit.Trail":          "what audit records tell",
	"admin.Refusal":        "what a caller is told",
	"revocation.Standing":  "what a replica reports",
	"devices.Config":       "settings",
	"devices.Device":       "what a page shows: what a user calls a device, and the id of a session, which proves nothing",
	"devices.Memory":       "pseudonyms, and what pages show",
	"devices.Stats":        "counters",
	"devices.Store":        "an interface",
	"redisdevices.Config":  "settings",
	"sqldevices.Config":    "settings",
	"sqldevices.Dialect":   "a number",
	"httpmw.Devices":       "an interface",
	"httpmw.Codec":         "an interface",
	"httpmw.Config":        "settings",
	"httpmw.EventKind":     "a word",
	"httpmw.Limits":        "durations",
	"httpmw.Requirements":  "settings",
	"httpmw.SizeError":     "sizes",
	"httpmw.Stats":         "counters",
	"httpmw.MethodsError":  "names of methods that the application requires",
	"httpmw.AAL":           "a number",
	"backchannel.Config":   "settings; the ids of clients are public",
	"backchannel.Stats":    "counters",
	"adopt.Stats":          "counters",
	"prom.Manager":         "an interface",
	"prom.Mover":           "an interface",
	"prom.Receiver":        "an interface",
	"prom.Endpoints":       "an interface",
	"prom.Devices":         "an interface",
	"otel.Manager":         "an interface",
	"otel.Mover":           "an interface",
	"otel.Receiver":        "an interface",
	"otel.Endpoints":       "an interface",
	"otel.Devices":         "an interface",
	"keys.Editor":          "an interface",
	"keys.FileConfig":      "settings",
	"keys.Count":           "counters",
	"keys.Meter":           "counters",
	"keys.Metered":         "an interface",
	"keys.Purpose":         "a number",
	"keys.Rotation":        "settings",
	"keys.Rotator":         "settings and a source",
	"keys.Source":          "an interface",
	"keys.State":           "a number",
	"keys.Use":             "counters",
	"rediskeys.Config":     "settings",
	"revlog.Asks":          "a number",
	"revlog.Effect":        "a word",
	"revlog.Ack":           "settings",
	"revlog.Answer":        "numbers",
	"revlog.Assertion":     "a pseudonym",
	"revlog.Append":        "pseudonyms",
	"revlog.Bulk":          "pseudonyms",
	"revlog.LimitError":    "a time",
	"revlog.Repair":        "pseudonyms",
	"revlog.Request":       "random",
	"revlog.Succession":    "pseudonyms",
	"revlog.Change":        "pseudonyms",
	"revocation.Config":    "settings",
	"revlog.Cursor":        "a position",
	"revlog.Entry":         "a pseudonym",
	"revlog.Finding":       "a number",
	"revlog.CreateOptions": "the name of a list",
	"revlog.Key":           "a pseudonym",
	"revlog.KeyUse":        "what a replica reports",
	"revlog.ListID":        "the name of a list",
	"revlog.Head":          "a position",
	"revocation.Instant":   "a time",
	"revlog.Term":          "numbers",
	"revlog.Memory":        "pseudonyms",
	"revlog.Page":          "pseudonyms",
	"revlog.Position":      "a position",
	"revlog.Question":      "pseudonyms",
	"revlog.Retention":     "numbers",
	"revocation.Receipt":   "a position and times",
	"revlog.Registrar":     "an interface",
	"revlog.Measurer":      "an interface",
	"revlog.Usage":         "numbers",
	"revlog.Replica":       "what a replica reports",
	"revlog.Result":        "a position",
	"revlog.Scope":         "a word",
	"revocation.Secrets":   "an interface",
	"revlog.SignedIn":      "numbers",
	"revlog.Sketcher":      "an interface",
	"revlog.State":         "pseudonyms",
	"revocation.Histogram": "numbers",
	"revocation.Stats":     "counters",
	"revlog.Store":         "an interface",
	"revlog.Tag":           "a pseudonym",
	"revlog.When":          "a number",
	"revlog.Written":       "a position",
	"revlog.Write":         "is one of the others",
	"revlogtest.Faulty":    "pseudonyms",
	"revlogtest.Hooks":     "functions",
	"revlogtest.Secrets":   "a number that everybody knows",
	"boltstore.Store":      "pseudonyms",
	"redisstore.Config":    "settings",
	"redisstore.Finding":   "names and values of settings that are no secrets",
	"redisstore.Level":     "a number",
	"token.ID":             "a session id, which proves nothing",
	"token.Renewal":        "a session id, which proves nothing, and times",
	"token.Validity":       "times and positions in the log",
	"token.Tag":            "a pseudonym",
}

// A guarded value must not print what it holds.
type guarded struct {
	value any
	// open: the secrets are in exported fields, for the application to use. fmt shows them where it
	// calls no methods: with %p and, except in Errorf, %w; in unexported fields; behind nested
	// pointers that a verb does not fit.
	open bool
}

const (
	person     = "qzvxw81@kfjtp72.zzq"
	adminToken = "hV7kLqYw0cT3nRz8mXpB5sUe"
	password   = "xPw9-KzzQ4-vvT17"
	oldKey     = "8Kd02mf7Qp1ZxYbE5vTn3sWcRgHjLu96"
)

func TestNothingPrintsASecret(t *testing.T) {
	var secrets finder
	values := guardedValues(t, &secrets)
	for name, g := range values {
		t.Run(name, func(t *testing.T) {
			for how, v := range nestings(g) {
				shown := false
				prints(v, func(verb, text string) {
					if g.open && strings.ContainsAny(verb, "pw") && verb[0] == '%' {
						return
					}
					if secret := secrets.in(text); secret != "" && !shown {
						shown = true // one is enough
						t.Errorf("%s, %s: shows the %s: %.300q", how, verb, secret, text)
					}
				})
			}
		})
	}
	names := exportedTypes(t)
	for name := range harmless {
		if _, both := values[name]; both {
			t.Errorf("%s is in both tables", name)
		}
		if _, exists := names[name]; !exists {
			t.Errorf("%s is in the table of harmless types and does not exist", name)
		}
	}
	for name, fields := range names {
		for _, field := range fields {
			if harmless[name] != "" && slices.Contains([]string{"Subject", "Token", "Password", "Secret", "Credential", "Data"}, field) {
				t.Errorf("%s.%s: is that harmless?", name, field)
			}
		}
		if _, printed := values[name]; !printed && harmless[name] == "" {
			t.Errorf("%s is new: print it here, or say why it is harmless", name)
		}
	}
}

// nestings returns v in the forms in which a program may print it.
func nestings(g guarded) map[string]any {
	v := g.value
	all := map[string]any{
		"plain": v, "slice": []any{v}, "array": [1]any{v}, "map": map[string]any{"a": v}, "struct": struct{ X any }{v},
		"pointer to struct": &struct{ X any }{v}, "deep": []any{map[string]any{"a": struct{ X []any }{[]any{v}}}},
	}
	typed := reflect.MakeSlice(reflect.SliceOf(reflect.TypeOf(v)), 0, 1)
	all["typed slice"] = reflect.Append(typed, reflect.ValueOf(v)).Interface()
	pointer := reflect.New(reflect.TypeOf(v))
	pointer.Elem().Set(reflect.ValueOf(v))
	all["pointer"] = pointer.Interface()
	all["pointers"] = []any{pointer.Interface()}
	if reflect.TypeOf(v).Comparable() {
		m := reflect.MakeMap(reflect.MapOf(reflect.TypeOf(v), reflect.TypeFor[int]()))
		m.SetMapIndex(reflect.ValueOf(v), reflect.ValueOf(1))
		all["map key"] = m.Interface()
	}
	if !g.open {
		all["deep pointer"] = []any{map[int]any{1: &struct{ X []any }{[]any{v}}}}
		all["unexported"] = struct{ x any }{v}
		all["pointer to unexported"] = &struct{ x []any }{[]any{v}}
		all["unexported pointer"] = struct{ x any }{pointer.Interface()}
	}
	return all
}

// guardedValues makes a value of each type that holds secrets, with all its secrets, and adds these
// to secrets.
func guardedValues(t *testing.T, secrets *finder) map[string]guarded {
	ctx, quiet := t.Context(), slog.New(slog.DiscardHandler)
	kekBytes := sha256.Sum256([]byte(oldKey))
	kek := keys.KEKFunc(func(context.Context) ([]byte, error) { return kekBytes[:], nil })
	file := sure(keys.OpenFile(ctx, filepath.Join(t.TempDir(), "ring.jwe"), kek, keys.FileConfig{Create: true, Poll: time.Hour, PollOnly: true, Logger: quiet}))
	t.Cleanup(func() { file.Close() })
	ring := file.Ring()
	addRing(secrets, ring)

	server := redistest.Start(t)
	server.Do("CONFIG", "SET", "requirepass", password)
	client := &redis.UniversalOptions{Addrs: []string{server.Addr}, Password: password}
	store := sure(redisstore.Open(ctx, client, redisstore.Config{AllowVolatile: true}))
	t.Cleanup(func() { store.Close() })
	shared := sure(rediskeys.Open(ctx, client, kek, rediskeys.Config{Create: true, AllowVolatile: true, Poll: time.Millisecond, Logger: quiet}))
	t.Cleanup(func() { shared.Close() })
	addRing(secrets, shared.Ring())

	list := sure(revocation.Open(ctx, revlog.NewMemory(), ring, revocation.Config{Logger: quiet}))
	registry := sure(devices.New(devices.NewMemory(), list, devices.Config{Max: 3, Logger: quiet}))
	manager := sure(httpmw.New[string](file, list, httpmw.Config{Devices: registry, Logger: quiet}))
	session := signIn(t, manager, secrets)
	adopter := sure(adopt.New(manager, adopt.Config{System: "old", From: time.Now(), Until: time.Now().Add(time.Minute)}))
	codec := securecookie.New([]byte(oldKey), nil)
	moves := gorilla.Config[string]{
		Cookie: "old", Codecs: []securecookie.Codec{codec}, From: time.Now(), Until: time.Now().Add(time.Minute),
		Read: func(map[any]any) (id httpmw.Identity, data string, ok bool) { return },
	}
	kit := wafertest.New[string](t, httpmw.Config{})
	addRing(secrets, wafertest.Ring())
	kitSession := signIn(t, kit.Manager, secrets)
	if err := kit.List.Close(); err != nil {
		t.Fatal(err)
	}
	sealer := wafertoken.New(file)
	sealed := wafertoken.Session{Audience: []byte("app"), Subject: []byte(person), Data: []byte(`"` + person + `"`)}
	receiver := sure(backchannel.New(list, backchannel.Config{Issuer: "https://provider.example", ClientIDs: []string{"app"}, Logger: quiet}))
	// Printing may read anything, so nothing else may run.
	if err := errors.Join(list.Close(), file.Close(), shared.Close()); err != nil {
		t.Fatal(err)
	}

	secrets.add("KEK", kekBytes[:])
	secrets.add("person", []byte(person))
	secrets.add("admin token", []byte(adminToken))
	secrets.add("Redis password", []byte(password))
	secrets.add("old key", []byte(oldKey))

	kept := kek.Once()
	sure(kept.Seal(ctx, ring))
	request := httptest.NewRequest("GET", "/", nil)
	all := map[string]guarded{
		"keys.Ring":                 {value: ring},
		"keys.Ring by value":        {value: *ring},
		"keys.Key":                  {value: ring.Keys()[0]},
		"keys.KEK":                  {value: kek},
		"keys.KEK of a passphrase":  {value: keys.Passphrase(func(context.Context) ([]byte, error) { return []byte(oldKey), nil })},
		"keys.KEK of several":       {value: keys.KEKs(kek, keys.Passphrase(func(context.Context) ([]byte, error) { return []byte(oldKey), nil }))},
		"keys.KEK that is kept":     {value: kept},
		"keys.File":                 {value: file},
		"keys.Static":               {value: keys.Static(ring)},
		"rediskeys.Ring":            {value: shared},
		"redisstore.Store":          {value: store},
		"redisstore.Store, value":   {value: *store},
		"revocation.List":           {value: list},
		"revocation.Disabled":       {value: revocation.Disabled(ring)},
		"revocation.Options":        {value: revocation.Options{Subject: person}, open: true},
		"token.Sealer":              {value: sealer},
		"token.Session":             {value: sealed, open: true},
		"httpmw.Manager":            {value: manager},
		"httpmw.Manager by value":   {value: *manager},
		"httpmw.Session":            {value: session},
		"httpmw.Session by value":   {value: *session},
		"httpmw.Session of a Kit":   {value: kitSession},
		"adopt.Adopter":             {value: adopter},
		"adopt.Adopter by value":    {value: *adopter},
		"devices.Registry":          {value: registry},
		"devicestest.Faulty":        {value: devicestest.NewFaulty(devices.NewMemory())},
		"redisdevices.Store":        {value: redisdevices.New(redis.NewUniversalClient(client), redisdevices.Config{})},
		"redisdevices.Store, value": {value: *redisdevices.New(redis.NewUniversalClient(client), redisdevices.Config{})},
		"sqldevices.Store":          {value: sure(sqldevices.New(sql.OpenDB(connector{password}), sqldevices.SQLite, sqldevices.Config{}))},
		"adopt.Predecessor":         {value: adopt.Predecessor{Credential: []byte(adminToken)}, open: true},
		"httpmw.Identity":           {value: httpmw.Identity{Subject: person, Groups: []string{person}, Device: person}, open: true},
		"httpmw.Event":              {value: httpmw.Event{Kind: httpmw.EventLogin, Session: "id", Subject: person, Device: person, Request: request}, open: true},
		"httpmw.Event refused":      {value: httpmw.Event{Kind: httpmw.EventRefused, Err: httpmw.ErrRevoked, Subject: person}, open: true},
		"gorilla.Config":            {value: moves, open: true},
		"gorilla.Mover":             {value: sure(gorilla.New(manager, moves))},
		"backchannel.Logout":        {value: backchannel.Logout{Issuer: "https://provider.example", Session: person, Subject: person}, open: true},
		"backchannel.Receiver":      {value: receiver},
		"admin.Config":              {value: admin.Config{Token: adminToken}, open: true},
		"oauth.Config":              {value: oauth.Config{Clients: map[string]string{"gateway": adminToken}}, open: true},
		"oauth.Endpoints":           {value: sure(oauth.New(manager, oauth.Config{Clients: map[string]string{"gateway": adminToken}}))},
		"otel.Parts":                {value: otel.Parts{Apps: map[string]otel.Manager{"app": manager}, List: list, Keys: file}},
		"admin.Token":               {value: admin.Token{Name: "deploy", SHA256: sha256.Sum256([]byte(adminToken))}, open: true},
		"console.Config":            {value: console.Config{Admin: admin.Config{Token: adminToken}}, open: true},
		"console.New":               {value: sure(console.New(list, file, console.Config{Admin: admin.Config{Token: adminToken, Audit: slog.DiscardHandler}}))},
		"admin.API":                 {value: sure(admin.New(list, file, admin.Config{Token: adminToken, Audit: slog.DiscardHandler}))},
		"prom.Parts":                {value: prom.Parts{Apps: map[string]prom.Manager{"app": manager}, List: list, Keys: file}},
		"prom.New":                  {value: sure(prom.New(prom.Parts{Apps: map[string]prom.Manager{"app": manager}, List: list, Keys: file}))},
		"wafertest.Kit":             {value: kit},
	}
	for name, target := range map[string]revocation.Target{
		"": revocation.Subject(person), ", a group": revocation.Group(person), ", a session": revocation.Session(person), ", a key": revocation.Key(person),
	} {
		all["revocation.Target"+name] = guarded{value: target}
	}
	return all
}

// A connector of a database that knows a password.
type connector struct{ password string }

func (connector) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("no database") }
func (connector) Driver() driver.Driver                        { return nil }

// addRing adds the secrets of a ring: its keys, and what is derived from the list key.
func addRing(secrets *finder, r *keys.Ring) {
	var set struct {
		ListKey string `json:"list_key"`
		Keys    []struct{ K string }
	}
	if err := json.Unmarshal(r.PlaintextJWKSet(), &set); err != nil {
		panic(err)
	}
	secrets.add("list key", sure(base64.RawURLEncoding.DecodeString(set.ListKey)))
	for _, k := range set.Keys {
		secrets.add("key", sure(base64.RawURLEncoding.DecodeString(k.K)))
	}
	for _, label := range []string{"wafer list: tags", "wafer list: entry mac", "wafer list: session tags", "wafer httpmw: adopted session ids"} {
		derived := r.ListSecret(label)
		secrets.add("secret "+label, derived[:])
	}
}

// signIn returns a session with everything a session can have, and adds its cookie to secrets. The
// person's name is in it as subject, group and data.
func signIn(t *testing.T, m *httpmw.Manager[string], secrets *finder) (s *httpmw.Session[string]) {
	h := m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s = m.From(r.Context())
		if err := s.Login(r.Context(), httpmw.Identity{Subject: person, Groups: []string{person}, Device: person}); err != nil {
			t.Error(err)
		}
		if err := s.Set(person); err != nil {
			t.Error(err)
		}
		for how, v := range map[string]any{"the writer": w, "the context": r.Context()} {
			prints(v, func(verb, text string) {
				if strings.Contains(text, person) || strings.Contains(text, fmt.Sprint([]byte(person))[1:30]) || strings.Contains(text, "eyJ") {
					t.Errorf("%s, %s: shows the session: %.300q", how, verb, text)
				}
			})
		}
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "https://app.example/", nil))
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%d cookies", len(cookies))
	}
	_, sealed, _ := strings.Cut(cookies[0].Value, ".") // the header is the same for all
	secrets.add("cookie", []byte(sealed))
	return s
}

// exportedTypes returns the exported types of all packages that others may import, as package.Type,
// with their fields that hold text or bytes.
func exportedTypes(t *testing.T) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	for _, p := range packages(t) {
		if n := p.name(); n == "" || strings.HasPrefix(n, "cmd/") || strings.Contains(n, "internal/") {
			continue
		}
		files := sure(filepath.Glob(filepath.Join(filepath.FromSlash(p.name()), "*.go")))
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed := sure(parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution))
			for _, d := range parsed.Decls {
				decl, ok := d.(*ast.GenDecl)
				if !ok || decl.Tok != token.TYPE {
					continue
				}
				for _, spec := range decl.Specs {
					if spec := spec.(*ast.TypeSpec); spec.Name.IsExported() {
						names[parsed.Name.Name+"."+spec.Name.Name] = texts(spec.Type)
					}
				}
			}
		}
	}
	if len(names) < 50 {
		t.Fatalf("only %d exported types are found", len(names))
	}
	return names
}

// texts returns the names of the fields of a struct that are strings or bytes.
func texts(e ast.Expr) []string {
	names := []string{}
	if s, ok := e.(*ast.StructType); ok {
		for _, field := range s.Fields.List {
			kind := field.Type
			if slice, ok := kind.(*ast.ArrayType); ok {
				kind = slice.Elt
			}
			if id, ok := kind.(*ast.Ident); !ok || id.Name != "string" && id.Name != "byte" {
				continue
			}
			for _, name := range field.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

func sure[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
