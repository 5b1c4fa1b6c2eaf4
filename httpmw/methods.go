package httpmw

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wafer-sessions/wafer/token"
)

// methodsOf turns the names of methods into what a token holds, each once.
func methodsOf(names []string) (methods [token.MaxMethods][]byte, err error) {
	n := 0
	for i, name := range names {
		switch {
		case !token.IsMethod(name):
			return methods, fmt.Errorf("%w: a method must have 1 to %d bytes of printable ASCII without space, quotation mark and backslash", ErrIdentity, token.MaxMethod)
		case slices.Contains(names[:i], name):
			continue
		case n == len(methods):
			return methods, fmt.Errorf("%w: more than %d methods", ErrIdentity, len(methods))
		}
		methods[n] = []byte(name)
		n++
	}
	return methods, nil
}

// namesOf returns the methods of a token.
func namesOf(t *token.Session) (names []string) {
	for _, name := range t.Methods {
		if len(name) == 0 {
			break
		}
		names = append(names, string(name))
	}
	return names
}

// lacks returns those of the methods by which the subject was not authenticated.
func (s *Session[T]) lacks(names []string) (missing []string) {
	if len(names) == 0 {
		return nil
	}
	s.st.read()
	defer s.st.mu.Unlock()
	for _, name := range names {
		if !hasMethod(&s.st.tok, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

func hasMethod(t *token.Session, name string) bool {
	for _, have := range t.Methods {
		if len(have) > 0 && string(have) == name {
			return true
		}
	}
	return false
}

// A MethodsError says which methods a route requires that the login lacks, so that the application
// can ask for them: Login again, with these and the ones that the session has. errors.Is(err,
// ErrMethods) holds, and so does ErrNoLogin.
type MethodsError struct {
	Missing []string // of Requirements.Methods, in that order
}

func (e *MethodsError) Error() string {
	return fmt.Sprintf("%v: %s", ErrMethods, strings.Join(e.Missing, ", "))
}

// Unwrap returns ErrMethods.
func (e *MethodsError) Unwrap() error { return ErrMethods }
