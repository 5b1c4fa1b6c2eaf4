package httpmw

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Codec turns application data into JSON and back. Marshal must return exactly one JSON value, and
// Unmarshal must refuse anything else. Both are called by many goroutines at once.
type Codec interface {
	Marshal(v any) ([]byte, error)
	Unmarshal(data []byte, v any) error
}

// encode turns application data into one JSON value.
func (c *core) encode(v any) ([]byte, error) {
	raw, err := c.cfg.Codec.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("httpmw: encode the session's data: %w", err)
	}
	if _, ours := c.cfg.Codec.(jsonCodec); !ours && (!json.Valid(raw) || !utf8.Valid(raw)) {
		return nil, errors.New("httpmw: the codec did not return one JSON value in UTF-8")
	}
	return raw, nil
}

type jsonCodec struct{}

// Marshal leaves <, > and & as they are: the result is sealed into a cookie and never part of HTML.
func (jsonCodec) Marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (jsonCodec) Unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }
