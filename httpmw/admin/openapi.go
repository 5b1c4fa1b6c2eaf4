package admin

import (
	_ "embed"
	"encoding/json"
)

//go:embed openapi.json
var document []byte

func (a *api) openAPI(*call) (any, error) { return json.RawMessage(document), nil }
