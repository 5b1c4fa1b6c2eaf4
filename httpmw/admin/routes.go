package admin

import (
	"net/http"
	"strings"
)

// route is one method of one path. A path has at most one variable part, {kid}.
type route struct {
	method, path string
	role         Role
	serve        func(*API, *call) (any, error)
}

var routes = []route{
	{http.MethodPost, "/revocations", RoleRevoke, (*API).revoke},
	{http.MethodGet, "/revocations", RoleRead, (*API).listRevocations},
	{http.MethodPost, "/revocations/many", RoleRevoke, (*API).revokeMany},
	{http.MethodPost, "/revocations/lookup", RoleRead, (*API).lookup},
	{http.MethodGet, "/status", RoleRead, (*API).status},
	{http.MethodGet, "/replicas", RoleRead, (*API).replicas},
	{http.MethodGet, "/keys", RoleRead, (*API).listKeys},
	{http.MethodPost, "/keys/rotate", RoleKeys, (*API).rotateKeys},
	{http.MethodPost, "/keys/cancel", RoleKeys, (*API).cancelRotation},
	{http.MethodPost, "/keys/prune", RoleKeys, (*API).pruneKeys},
	{http.MethodPost, "/keys/extend", RoleKeys, (*API).extendRing},
	{http.MethodPost, "/keys/{kid}/revoke", RoleKeys, (*API).revokeKey},
	{http.MethodGet, "/audit", RoleRead, (*API).showAudit},
	{http.MethodGet, "/openapi.json", RoleRead, (*API).openAPI},
}

// find returns the route of a request and the kid in its path, or 404, or 405 with the methods that
// the path has.
func find(r *http.Request) (rt route, kid string, refused *Refusal) {
	var allow []string
	for _, rt := range routes {
		kid, ok := rt.match(r.URL.Path)
		if !ok {
			continue
		}
		if r.Method == rt.method || r.Method == http.MethodHead && rt.method == http.MethodGet {
			return rt, kid, nil
		}
		allow = append(allow, withHead(rt.method))
	}
	if allow == nil {
		return route{}, "", refuse(http.StatusNotFound, "not_found", "The API has no such path.")
	}
	return route{}, "", refuse(http.StatusMethodNotAllowed, "method", "This path does not have this method.").with("Allow", strings.Join(allow, ", "))
}

// withHead is for the header Allow: a path that has GET has HEAD too.
func withHead(method string) string {
	if method == http.MethodGet {
		return "GET, HEAD"
	}
	return method
}

func (rt route) match(path string) (kid string, ok bool) {
	before, after, variable := strings.Cut(rt.path, "{kid}")
	if !variable {
		return "", path == rt.path
	}
	rest, ok := strings.CutPrefix(path, before)
	if !ok {
		return "", false
	}
	kid, ok = strings.CutSuffix(rest, after)
	return kid, ok && kid != "" && !strings.Contains(kid, "/")
}
