# The commands of the project. `make help` lists them; what CI runs is what you run.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

FUNCTIONS := quote order account
BIN       := bin
CACHE     := $(CURDIR)/.cache
# Static, without symbol tables, without local paths: what goes into an image.
BUILD     := CGO_ENABLED=0 go build -trimpath -ldflags='-s -w'

GOLANGCI_VERSION := v2.15.0
KO_VERSION       := v0.19.1
GOLANGCI := $(CACHE)/bin/golangci-lint-$(GOLANGCI_VERSION)
KO       := $(CACHE)/bin/ko-$(KO_VERSION)

.PHONY: help
help: ## List the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run everything on this machine: gateway on 127.0.0.1:8080, emulated Alpaca, functions, broker
	@echo "building (a minute at first, a second later) ..."
	@mkdir -p $(BIN)
	@# Without inlining go-redis compiles in half the time; it is a quarter of the first build.
	@CGO_ENABLED=0 go build -gcflags='github.com/redis/go-redis/v9=-l' -ldflags='-s -w' -o $(BIN)/local ./local/cmd
	@exec $(BIN)/local

.PHONY: emulator
emulator: ## Run the emulated Alpaca alone
	go run ./emulator/cmd

.PHONY: test
test: redis ## Run all tests with the race detector, installing redis-server when it is missing
	go vet ./...
	CI=$${CI:-} go test -race -timeout 5m ./...

.PHONY: fuzz
fuzz: ## Fuzz every parser, 20 s each
	./test/fuzz.sh 20s

SEED     ?= 1
DURATION ?= 60s
.PHONY: chaos
chaos: redis ## Kill, pause, flush and fail over everything while orders are placed: make chaos SEED=7 DURATION=60s
	@go run ./test/chaos -seed $(SEED) -duration $(DURATION)

.PHONY: bench
bench: redis build ## Measure start time, memory and size of the functions, and the hot paths, against their goals
	go run ./test/bench

.PHONY: lint
lint: $(GOLANGCI) ## Run the linters of .golangci.yml and check the formatting
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt these: $$unformatted"; exit 1; fi
	$(GOLANGCI) run ./...

.PHONY: build
build: ## Build the programs into bin/
	@mkdir -p $(BIN)
	@for f in $(FUNCTIONS); do $(BUILD) -o $(BIN)/$$f ./functions/$$f/cmd; done
	@$(BUILD) -o $(BIN)/emulator ./emulator/cmd
	@$(BUILD) -o $(BIN)/local ./local/cmd
	@ls -l $(BIN) | awk 'NR > 1 {printf "  %-10s %6.1f MiB\n", $$9, $$5/1048576}'

.PHONY: images
images: $(KO) ## Build the container images of the functions as tar files in bin/images/ (no registry needed)
	@mkdir -p $(BIN)/images
	@for f in $(FUNCTIONS); do \
	  KO_DOCKER_REPO=dev.local/opitios $(KO) build --push=false --bare --tarball $(BIN)/images/$$f.tar ./functions/$$f/cmd; done

.PHONY: redis
redis:
	@command -v redis-server >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing redis-server ..."; apt-get update -qq && apt-get install -y -qq redis-server >/dev/null; \
	  else echo "redis-server is missing: install it with your package manager (Debian: apt-get install redis-server)"; exit 1; fi; }

$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION) (some minutes, once) ..."
	@mkdir -p $(CACHE)/build && GOBIN=$(CACHE)/build go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mkdir -p $(CACHE)/bin && mv $(CACHE)/build/golangci-lint $@

$(KO):
	@echo "building ko $(KO_VERSION) (once) ..."
	@mkdir -p $(CACHE)/build && GOBIN=$(CACHE)/build go install github.com/google/ko@$(KO_VERSION)
	@mkdir -p $(CACHE)/bin && mv $(CACHE)/build/ko $@
