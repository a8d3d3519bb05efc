# `make` prints this list. `make check` is what CI runs, and nothing more.

export GOTOOLCHAIN := auto
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help

.PHONY: help
help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: ## start the server on 127.0.0.1:8080
	go run ./cmd/server

.PHONY: build
build: ## build bin/awaitd and bin/await, static, with their version inside
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/awaitd ./cmd/server
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/await ./cmd/await

.PHONY: test
test: ## run the tests
	go test ./...

.PHONY: race
race: ## run the tests under the race detector; none may skip
	.ci/run race

.PHONY: faults
faults: ## kill the server 200 times under load and 200 times at a sync; needs strace, takes minutes
	go test ./internal/faults -run Killed -count 1 -timeout 60m -v -faults.rounds 200

.PHONY: cover
cover: ## measure statement coverage; fails below 90 % in loop, await, events or fetch
	.ci/run cover

.PHONY: fuzz
fuzz: ## run each fuzz target for 30 s
	FUZZTIME=30s .ci/run fuzz

.PHONY: fmt
fmt: ## format the code
	go tool -modfile=tools/go.mod gofumpt -w .

.PHONY: lint
lint: ## gofumpt, vet, staticcheck, shellcheck
	.ci/run format lint

.PHONY: vuln
vuln: ## look for known vulnerabilities; needs https://vuln.go.dev
	go tool -modfile=tools/go.mod govulncheck ./...

.PHONY: deploy-check
deploy-check: ## build as the Dockerfile does, test alerts and dashboard, scrape a real server
	.ci/run deploy

.PHONY: bench
bench: ## measure the service through its API
	go run ./bench/service

.PHONY: bench-durable
bench-durable: ## measure what durability costs: against raw fdatasync, against memory, with a million pending
	go run ./bench/durable

.PHONY: bench-fetch
bench-fetch: ## measure the egress guard, and fetches beside a plain http.Client
	go run ./bench/fetch

.PHONY: bench-waits
bench-waits: ## measure waiting: callers parked over HTTP/2, streams of many leaves, wakes
	go run ./bench/waits

.PHONY: bench-loop
bench-loop: ## measure the loop beside asyncio and uvloop (python3, python3-uvloop)
	go run ./bench/loop

.PHONY: check
check: ## everything CI runs, in the same order
	.ci/run

.PHONY: clean
clean: ## remove what the targets above made
	rm -rf bin
