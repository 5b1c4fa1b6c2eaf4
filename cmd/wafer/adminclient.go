package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/keys"
)

// An adminClient calls the admin API of a running application.
type adminClient struct {
	base, token string
	http        http.Client
}

// maxAnswer bounds what is read of an answer, in bytes. Some hundred replicas that report some dozen
// keys each take a few MiB.
const maxAnswer = 64 << 20

// call sends body as JSON, or sends a GET request if body is nil, and reads the answer into to.
func (c *adminClient) call(ctx context.Context, path string, body, to any) error {
	if body == nil {
		return c.send(ctx, http.MethodGet, path, "", nil, to)
	}
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.post(ctx, path, "application/json", content, to)
}

func (c *adminClient) post(ctx context.Context, path, contentType string, content []byte, to any) error {
	return c.send(ctx, http.MethodPost, path, contentType, content, to)
}

func (c *adminClient) send(ctx context.Context, method, path, contentType string, content []byte, to any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(content))
	if err != nil {
		return usageError{err}
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return aboutTLS(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		problem := apiError{status: answer.Status}
		json.Unmarshal(b, &problem.Problem) // an answer that is not a problem document has no code
		return problem
	}
	if err := json.Unmarshal(b, to); err != nil {
		return apiError{status: answer.Status}
	}
	return nil
}

// aboutTLS says which flag may help.
func aboutTLS(err error) error {
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return fmt.Errorf("%w; name the authority that signed it with --admin-ca FILE", err)
	}
	if strings.Contains(err.Error(), "tls: certificate required") {
		return fmt.Errorf("%w; give a client certificate with --admin-cert and --admin-key", err)
	}
	return err
}

// An apiError is an answer of the admin API, or of another server, that is not the one asked for.
type apiError struct {
	status string
	adminapi.Problem
}

func (e apiError) Error() string {
	const where = "--admin must be the address where the application has its admin API, such as http://127.0.0.1:8080/admin"
	switch e.Code {
	case "":
		return fmt.Sprintf("the server at --admin answered %s, and is not an admin API: %s", e.status, where)
	case "not_found":
		return fmt.Sprintf("the admin API answered %s: %s", e.status, where)
	case "unauthorized":
		return fmt.Sprintf("the admin API answered %s: its token is not the one in %s or --admin-token-file", e.status, adminTokenVariable)
	}
	text := fmt.Sprintf("the admin API answered %s: %s", e.status, safe(e.Detail))
	for _, l := range e.Lines { // the first line of the body is not of the file
		text += fmt.Sprintf("\n  line %d: %s", l.Line-1, safe(l.Detail))
	}
	return text
}

// ringErrors are the errors of package keys that the admin API names.
var ringErrors = map[string]error{
	"no_key": keys.ErrUnknownKey, "pending": keys.ErrPending, "no_pending": keys.ErrNothingPending, "full": keys.ErrFull, "shorter": keys.ErrShorter,
	"in_use": adminapi.ErrInUse,
}

// Is lets a command treat an error of the admin API as it treats that of a ring in a file.
func (e apiError) Is(target error) bool {
	known, ok := ringErrors[e.Code]
	return ok && known == target
}
