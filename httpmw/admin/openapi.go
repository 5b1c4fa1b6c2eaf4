package admin

import (
	_ "embed"
	"encoding/json"
)

//go:embed openapi.json
var document []byte

func (a *API) openAPI(*call) (any, error) { return json.RawMessage(document), nil }
