# make test   everything that a change must pass, in about twelve minutes; CI runs it
# make e2e    real databases, Prometheus and Chromium; processes of their own under load, while keys change; CI runs it
# make alerts plays faults that fire the alerts of a real Prometheus, as make e2e does; updates docs/ops/README.md
# make soak   all tests COUNT times, HISTORIES of the list's model, faults, each fuzz target for FUZZTIME
# make faults FAULTS histories of each kind of fault (or of KIND) on real servers; updates docs/faults.md
# make bench  compares a request with a session in Wafer and in the alternatives
# make demo   runs three replicas on http://127.0.0.1:8080

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO        ?= go
FUZZTIME  ?= 5m
COUNT     ?= 20
# number of random histories of the list that run against its model
HISTORIES ?= 1000000
# seed of the first history; make soak prints how far it came, so that the next run can continue there
FIRST     ?= 1
# histories of each kind of fault on real servers, and the kind: part of its name; empty: all kinds
FAULTS    ?= 3
KIND      ?=

# These are separate modules, so that users of Wafer do not depend on modules that only tests need.
NESTED := testdata/peers testdata/frameworks testdata/migrate testdata/bench testdata/otel testdata/kubernetes

EMPTY :=
SPACE := $(EMPTY) $(EMPTY)

.PHONY: help test tools check unit fips nested e2e alerts soak faults bench demo

help:
	@sed -n 's/^# make/make/p' Makefile

test: tools check unit fips nested

tools:
	@.ci/tools

check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

unit:
	$(GO) test -race -p 4 -timeout 7m ./...
	$(GO) test -timeout 7m -run 'TestModel' ./internal/replica -model.histories=10000
	$(GO) test -timeout 7m ./cmd/wafer/internal/capacity

# testdata/peers and testdata/bench compare with software that uses algorithms FIPS mode refuses.
# testdata/migrate and the packages of NO_CRYPTOGRAPHY have none of their own: they count, parse, log,
# estimate, start servers or store entries. The cryptography that their tests use belongs to other
# packages, whose tests run here.
NO_CRYPTOGRAPHY := /redisstore|/internal/(capacity|faults|histogram|lograte|meter|nextcheck|ops|redislog|redistest|sketch|strictjson)$$
fips:
	GODEBUG=fips140=only $(GO) test -short -p 4 -timeout 7m $$($(GO) list ./... | grep -vE '$(NO_CRYPTOGRAPHY)')
	cd testdata/frameworks && GODEBUG=fips140=only $(GO) test -short -timeout 7m ./...

nested:
	@for module in $(NESTED); do \
		echo "cd $$module && $(GO) vet ./... && $(GO) test ./..."; \
		(cd "$$module" && $(GO) vet ./... && $(GO) test ./...); \
	done

e2e:
	@.ci/tools e2e
	$(GO) test -count=1 -run "TestProm(tool|etheus)" ./httpmw/prom
	cd testdata/devices && $(GO) vet ./... && $(GO) test -count=1 ./...
	cd testdata/e2e && $(GO) vet ./... && $(GO) test -v -count=1 -p 2 -timeout 10m ./...

alerts:
	@.ci/tools e2e
	cd testdata/e2e && $(GO) test -v -count=1 -timeout 10m -run TestAlerts ./alerts -alerts.page

soak: tools
	$(GO) test -race -count=$(COUNT) -timeout 6h ./...
	$(GO) test -timeout 6h -run 'Model' ./internal/replica -v -model.histories=$(HISTORIES) -model.first=$(FIRST)
	$(GO) test -timeout 1h -run TestRingAndListAgreeAfterALoss ./revocation/redisstore -losses=100
	cd testdata/e2e && $(GO) test -count=1 -timeout 1h ./image -image.fresh
	$(MAKE) faults
	FUZZTIME=$(FUZZTIME) GO=$(GO) .ci/fuzz

faults: tools
	$(GO) test -count=1 -timeout 24h -run 'TestMatrix/kinds/$(subst $(SPACE),_,$(KIND))' ./internal/faults -v \
		-faults.histories=$(FAULTS) -parallel 4 -faults.page=$(if $(KIND),false,true)

bench: tools
	cd testdata/bench && $(GO) test -v -count=1 -run TestCompare . -rounds 31

demo:
	$(GO) run ./cmd/wafer demo
