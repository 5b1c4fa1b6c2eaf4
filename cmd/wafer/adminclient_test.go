package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/adminapi"
)

// A fleet of some hundred replicas whose rings hold some dozen keys has a long answer.
func TestAdminClientReadsTheAnswerOfALargeFleet(t *testing.T) {
	now := time.Now()
	var fleet adminapi.Replicas
	for i := range 400 {
		r := adminapi.Replica{ID: fmt.Sprintf("replica-%04d", i), Host: "web.example.com"}
		for k := range 60 {
			r.Keys = append(r.Keys, adminapi.KeyUse{ID: fmt.Sprintf("key%08d", k), Seals: 1 << 30, Sealed: &now, Opened: &now})
		}
		fleet.Replicas = append(fleet.Replicas, r)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(fleet) }))
	defer server.Close()
	c := &adminClient{base: server.URL}
	var got adminapi.Replicas
	if err := c.call(t.Context(), "/replicas", nil, &got); err != nil || len(got.Replicas) != len(fleet.Replicas) {
		t.Errorf("%d replicas of %d: %v", len(got.Replicas), len(fleet.Replicas), err)
	}
}
