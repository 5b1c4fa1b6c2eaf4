package token_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/token"
)

func Example() {
	sealer := token.New(keys.Static(keys.Generate(0)))
	now := time.Now()

	in := token.Session{
		Audience: []byte("shop"),
		Subject:  []byte("alice"),
		AuthTime: now.Unix(),
		Validity: token.Validity{IssuedAt: now.Unix(), Expires: now.Add(2 * time.Hour).Unix()},
		End:      now.Add(24 * time.Hour).Unix(),
		Data:     []byte(`{"cart":["tea"]}`),
	}
	rand.Read(in.ID[:])
	compact, err := sealer.SealSession(nil, &in, now)
	if err != nil {
		panic(err)
	}

	buf := make([]byte, token.MaxLength) // the opened session points into it
	var out token.Session
	if err := sealer.OpenSession(buf, string(compact), &out, now); err != nil {
		panic(err)
	}
	fmt.Printf("%s has %s, and %d dots in the cookie\n", out.Subject, out.Data, strings.Count(string(compact), "."))

	other := token.New(keys.Static(keys.Generate(0)))
	err = other.OpenSession(buf, string(compact), &out, now)
	fmt.Println(errors.Is(err, token.ErrInvalid), errors.Is(err, token.ErrUnknownKey))
	// Output:
	// alice has {"cart":["tea"]}, and 4 dots in the cookie
	// true true
}
