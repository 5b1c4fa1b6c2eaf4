# make test   everything a change must pass, in about five minutes; CI runs this
# make soak   the same tests again and again, HISTORIES of the list against its model, faults, every fuzz target for FUZZTIME
# make faults real servers under FAULTS histories of each kind of fault (or of KIND), and the table of docs/faults.md
# make bench  a request with a session, in Wafer and in what people use instead
# make demo   three replicas on http://127.0.0.1:8080

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO        ?= go
FUZZTIME  ?= 5m
COUNT     ?= 20
# random histories of the list, run against its model
HISTORIES ?= 1000000
# seed of the first of them: make soak says how far it came, so that another can go on from there
FIRST     ?= 1
# histories of each kind of fault on real servers, and the kind: a part of its name, or all
FAULTS    ?= 3
KIND      ?=

# Modules of their own, so that what only tests need is no dependency of Wafer's users.
NESTED := testdata/peers testdata/frameworks testdata/migrate testdata/bench

EMPTY :=
SPACE := $(EMPTY) $(EMPTY)

.PHONY: help test tools check unit fips nested soak faults bench demo

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

# What testdata/peers and testdata/bench compare with is built of what FIPS mode refuses.
fips:
	@for module in . $(filter-out testdata/peers testdata/bench,$(NESTED)); do \
		echo "cd $$module && GODEBUG=fips140=only $(GO) test -short ./..."; \
		(cd "$$module" && GODEBUG=fips140=only $(GO) test -short -p 4 -timeout 7m ./...); \
	done

nested:
	@for module in $(NESTED); do \
		echo "cd $$module && $(GO) vet ./... && $(GO) test ./..."; \
		(cd "$$module" && $(GO) vet ./... && $(GO) test ./...); \
	done

soak: tools
	$(GO) test -race -count=$(COUNT) -timeout 6h ./...
	$(GO) test -timeout 6h -run 'Model' ./internal/replica -v -model.histories=$(HISTORIES) -model.first=$(FIRST)
	$(GO) test -timeout 1h -run TestRingAndListAgreeAfterALoss ./revocation/redisstore -losses=100
	$(MAKE) faults
	FUZZTIME=$(FUZZTIME) GO=$(GO) .ci/fuzz

faults: tools
	$(GO) test -count=1 -timeout 24h -run 'TestMatrix/kinds/$(subst $(SPACE),_,$(KIND))' ./internal/faults -v \
		-faults.histories=$(FAULTS) -parallel 4 -faults.page=$(if $(KIND),false,true)

bench: tools
	cd testdata/bench && $(GO) test -v -count=1 -run TestCompare . -rounds 31

demo:
	$(GO) run ./cmd/wafer demo
