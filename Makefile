# make help lists the targets.

GO       ?= go
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unreleased)
LDFLAGS  := -X main.version=$(VERSION)
# Tests are built without cmd/respkv/default.pgo: with it, every package they share
# would be compiled a second time.
GOTEST    = $(GO) test -pgo=off
# Packages with tests beside the code; tests/ holds those that need processes.
UNIT      = $(shell $(GO) list ./... | grep -v /tests/)
FUZZTIME ?= 30s
# Seed of the random sequences of make diff, and the first one of the simulations;
# SEED=0 takes another one each time.
SEED ?= 1
# How long make diff runs random sequences of a family.
DIFFTIME ?= 3s
# Worlds of each kind that make sim runs; see cluster/sim.
SIM_SEEDS ?= 1000

.PHONY: help build run dev test deps unit race lint fuzz fuzz-wire diff process clients page sim bench profile check generate clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

build: ## Build bin/respkv
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/respkv ./cmd/respkv

run: build ## Build and run a cluster of three nodes on this machine
	bin/respkv dev --nodes 3 --replicas 1

dev: run ## The same as run

test: deps lint build ## Everything that CI runs, in about 14 minutes on two cores
	$(MAKE) unit
	$(MAKE) race
	$(MAKE) process
	$(MAKE) clients
	$(MAKE) page
	$(MAKE) sim SIM_SEEDS=600
	$(MAKE) -j2 -Otarget diff fuzz DIFFTIME=2s FUZZTIME=2s

deps: ## Install the tools that the tests need, where they are missing
	scripts/deps.sh

unit: ## Tests beside the code, without the simulations
	$(GOTEST) -timeout 20m $(filter-out %/cluster/sim,$(UNIT))

race: ## The same under the race detector; long tests of one goroutine shorter or left out
	SIM_FIRST=$(filter-out 0,$(SEED)) $(GOTEST) -race -short -timeout 20m $(UNIT)

lint: ## Formatting, vet, import directions, no printing in libraries
	$(GO) vet -pgo=off ./...
	$(GO) run ./scripts/lint

fuzz: ## Every fuzz test for FUZZTIME each
	scripts/fuzz.sh $(FUZZTIME)

fuzz-wire: ## Longer: what comes from the network to the parser, to links, to gossip and to Raft
	scripts/fuzz.sh $(FUZZTIME) ./resp/proto ./replication ./cluster/...

diff: ## Replies compared with redis-server's
	$(GOTEST) -count=1 -timeout 20m ./tests/differential/... -duration $(DIFFTIME) $(if $(filter-out 0,$(SEED)),-seed $(SEED))

process: build ## Real processes: Redis's tools, go-redis, kills, restarts, cuts
	PROCESS_TEST_BINARY=$(CURDIR)/bin/respkv $(GOTEST) -count=1 -timeout 20m -parallel 3 ./tests/process/...

clients: build ## Client libraries of other languages, and queues that run on them
	PROCESS_TEST_BINARY=$(CURDIR)/bin/respkv $(GOTEST) -count=1 -timeout 20m ./tests/clients

page: build ## The status page in headless Chromium, on real processes
	PROCESS_TEST_BINARY=$(CURDIR)/bin/respkv $(GOTEST) -count=1 -timeout 20m ./tests/page

sim: ## Simulated clusters with virtual time and network
	SIM_SEEDS=$(SIM_SEEDS) SIM_FIRST=$(filter-out 0,$(SEED)) $(GOTEST) -count=1 -timeout 20m ./cluster/sim

bench: build ## Measure beside redis-server; writes docs/benchmarks.md
	$(GO) run ./tests/bench -write docs/benchmarks.md

profile: ## Write the profile that make build compiles with, on a quiet machine
	scripts/profile.sh

check: lint ## What must hold before a commit: lint, generated files, unit tests
	$(MAKE) generate
	git diff --exit-code -- config.yaml docs
	$(MAKE) unit

generate: build ## Write config.yaml, docs/configuration.md and the command table of docs/compatibility.md
	$(GO) run ./scripts/generate
	$(GO) run ./scripts/commandtable

clean: ## Remove what was built
	rm -rf bin
	$(GO) clean -testcache
