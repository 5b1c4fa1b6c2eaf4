package metrics

// Metrics of the endpoints for tokens, by their application in Parts.Endpoints.
var oauthRequests = counter("oauth.requests", "{request}", "Requests of other programs about tokens, by endpoint and result.", "app", "endpoint", "result")

var ofEndpoints = []*Metric{oauthRequests}

func collectEndpoints(s Sink, app string, e Endpoints) {
	for endpoint, results := range e.Counts() {
		counts(s, oauthRequests, results, nil, app, endpoint) // all results are there
	}
}
