package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/wafer-sessions/wafer/internal/adminapi"
)

// A deployedPlace answers only now and then, as an application does while it is deployed.
type deployedPlace struct {
	ringPlace
	asked int
	views []ringView
}

func (p *deployedPlace) ring(context.Context) (ringView, error) {
	p.asked++
	if p.asked%2 == 1 {
		return ringView{}, errors.New("connection refused")
	}
	v := p.views[0]
	p.views = p.views[min(1, len(p.views)-1):]
	return v, nil
}

func held(have int) ringView {
	return ringView{Ring: adminapi.Ring{Keys: []adminapi.Key{{ID: "k", Replicas: &adminapi.Holders{Of: 2, Have: have, Missing: make([]adminapi.Holder, 2-have)}}}}}
}

// Waiting for replicas goes on although the application does not answer every time.
func TestRotateWaitsAlthoughAnAnswerFails(t *testing.T) {
	cmd := keysRotate()
	cmd.SetErr(io.Discard)
	cmd.SetContext(t.Context())
	f := &keyRotate{wait: days(time.Minute)}
	if _, err := f.waitFor(cmd, &deployedPlace{views: []ringView{held(1), held(2)}}, held(0).Ring, "k"); err != nil {
		t.Error(err)
	}
	f.wait = days(2 * time.Second)
	if _, err := f.waitFor(cmd, &deployedPlace{views: []ringView{held(1)}}, held(0).Ring, "k"); err == nil || !strings.Contains(err.Error(), "is missing on 1 replica of 2") {
		t.Errorf("waitFor = %v", err)
	}
}
