package oauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxBody  = 24 << 10 // bytes: four tokens, and ignored parameters
	maxParts = 4        // tokens in the parameter: a session over three cookies, and its renewal
)

// receive returns who asks, and the token that the request names.
func (e *Endpoints) receive(w http.ResponseWriter, r *http.Request) (client string, t token, refused *failure) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return "", t, &failure{http.StatusMethodNotAllowed, "invalid_request", "Use POST."}
	}
	if e.csrf.Check(r) != nil {
		return "", t, &failure{http.StatusForbidden, "invalid_request", "A browser sent this request for a page of another origin."}
	}
	client, err := e.config.Authenticate(r)
	if err != nil {
		e.refusedClient(r, client)
		w.Header().Set("WWW-Authenticate", e.scheme)
		return "", t, &failure{http.StatusUnauthorized, "invalid_client", "The client is not authenticated."}
	}
	kinds := r.Header.Values("Content-Type")
	if len(kinds) != 1 || !isForm(kinds[0]) {
		return "", t, invalid("The body must be application/x-www-form-urlencoded.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			return "", t, &failure{http.StatusRequestEntityTooLarge, "invalid_request", "The body is too long."}
		}
		return "", t, invalid("The body did not arrive.")
	}
	t, refused = parse(string(body))
	return client, t, refused
}

// refusedClient logs that a caller is not authenticated. Of Clients it names the one whose id came with a
// wrong secret. Any other id could be a secret in the wrong place.
func (e *Endpoints) refusedClient(r *http.Request, id string) {
	from := slog.String("remote", r.RemoteAddr)
	if _, known := e.known[id]; known {
		e.warn(r.Context(), "oauth: wrong secret of a client", from, slog.String("client", id))
		return
	}
	e.warn(r.Context(), "oauth: authentication refused", from)
}

// warn logs a failure, each kind at most once a minute: callers decide how many there are.
func (e *Endpoints) warn(ctx context.Context, message string, attrs ...slog.Attr) {
	if times, due := e.rate.Count(message); due {
		e.config.Logger.LogAttrs(ctx, slog.LevelWarn, message, append(attrs, slog.Int("times", times))...)
	}
}

func isForm(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// parse reads a form. A parameter that came twice is refused (RFC 6749 section 3.2): a proxy that
// checked the form could have read the other one.
func parse(body string) (t token, refused *failure) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return t, invalid("The body is not a form.")
	}
	for _, values := range form {
		if len(values) > 1 {
			return t, invalid("A parameter came more than once.")
		}
	}
	if form.Get("token") == "" {
		return t, invalid("The parameter token is missing.")
	}
	if form.Get("client_secret") != "" || form.Get("client_assertion") != "" {
		return t, invalid("The client authenticates in more than one way.") // RFC 6749 section 2.3
	}
	parts := strings.SplitN(form.Get("token"), "~", maxParts+1)
	return token{first: parts[0], others: parts[1:], kind: kindOf(parts)}, nil
}

// byPassword authenticates by HTTP Basic. Id and secret are encoded like a form (RFC 6749 section
// 2.3.1), but many clients send them as they are. With an error it returns the id that was sent.
func (e *Endpoints) byPassword(r *http.Request) (client string, err error) {
	id, secret, ok := r.BasicAuth()
	if !ok || len(r.Header.Values("Authorization")) != 1 {
		return "", errClient
	}
	if e.matches(id, secret) {
		return id, nil
	}
	id, errID := url.QueryUnescape(id)
	secret, errSecret := url.QueryUnescape(secret)
	if errID != nil || errSecret != nil || !e.matches(id, secret) {
		return id, errClient
	}
	return id, nil
}

// matches compares digests, so that the time shows neither a common prefix nor the length.
func (e *Endpoints) matches(id, secret string) bool {
	want, known := e.known[id]
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], want[:]) == 1 && known
}

var errClient = errors.New("oauth: no client, or a wrong secret")
