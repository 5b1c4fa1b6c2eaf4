package admin

import (
	"net/http"
	"strings"
)

// route is one method of one path. A path has at most one variable part, {kid}.
type route struct {
	method, path string
	role         Role
	serve        func(*api, *call) (any, error)
}

var routes = []route{
	{http.MethodPost, "/revocations", RoleRevoke, (*api).revoke},
	{http.MethodGet, "/revocations", RoleRead, (*api).listRevocations},
	{http.MethodPost, "/revocations/many", RoleRevoke, (*api).revokeMany},
	{http.MethodPost, "/revocations/lookup", RoleRead, (*api).lookup},
	{http.MethodGet, "/status", RoleRead, (*api).status},
	{http.MethodGet, "/replicas", RoleRead, (*api).replicas},
	{http.MethodGet, "/keys", RoleRead, (*api).listKeys},
	{http.MethodPost, "/keys/rotate", RoleKeys, (*api).rotateKeys},
	{http.MethodPost, "/keys/cancel", RoleKeys, (*api).cancelRotation},
	{http.MethodPost, "/keys/prune", RoleKeys, (*api).pruneKeys},
	{http.MethodPost, "/keys/extend", RoleKeys, (*api).extendRing},
	{http.MethodPost, "/keys/{kid}/revoke", RoleKeys, (*api).revokeKey},
	{http.MethodGet, "/openapi.json", RoleRead, (*api).openAPI},
}

// find returns the route of a request and the kid in its path, or 404, or 405 with the methods that
// the path has.
func find(r *http.Request) (rt route, kid string, refused *problem) {
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
