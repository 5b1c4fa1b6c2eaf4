package admin

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/wafer-sessions/wafer/audit"
	"github.com/wafer-sessions/wafer/internal/adminapi"
	"github.com/wafer-sessions/wafer/revocation/revlog"
)

const (
	defaultPage = 100
	longestURL  = 1024 // of a query
)

func (a *API) listRevocations(c *call) (any, error) {
	p, err := pageOf(c.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	page, err := adminapi.RevocationsOf(c.Context(), a.list, p.before, p.limit, p.scope)
	if err != nil {
		return nil, unanswered(err, "The store does not answer, so the log cannot be read.")
	}
	return page, nil
}

// A page is what a query asks for.
type page struct {
	before revlog.Position
	limit  int
	scope  revlog.Scope // zero: all
}

// pageOf reads a query. Like a body, it has known members only, and each once.
func pageOf(query string) (page, error) {
	p := page{limit: defaultPage}
	values, err := url.ParseQuery(query)
	if err != nil || len(query) > longestURL {
		return p, invalid("The query of the URL is malformed, or too long.")
	}
	for name, all := range values {
		if len(all) > 1 {
			return p, invalid(fmt.Sprintf("The query has %.40q twice.", name))
		}
		value, ok := all[0], false
		switch name {
		case "limit":
			p.limit, err = strconv.Atoi(value)
			if err != nil || p.limit < 1 || p.limit > adminapi.MaxPage {
				return p, invalid(fmt.Sprintf("\"limit\" must be a number from 1 to %d.", adminapi.MaxPage))
			}
		case "before":
			if p.before.MS, p.before.N, ok = audit.Place(value); !ok || p.before.N == 0 {
				return p, invalid("\"before\" must be a position, as \"next\" of the page before has it.")
			}
		case "scope":
			if p.scope, ok = revlog.ParseScope(value); !ok {
				return p, invalid(`"scope" must be session, subject, group, key or everyone.`)
			}
		default:
			return p, invalid(fmt.Sprintf("The query has an unknown member %.40q.", name))
		}
	}
	return p, nil
}
