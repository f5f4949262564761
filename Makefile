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
# The newest that Go 1.26 builds.
KUSTOMIZE_VERSION   := v5.8.2
KUBECONFORM_VERSION := v0.8.0
KUSTOMIZE   := $(CACHE)/bin/kustomize-$(KUSTOMIZE_VERSION)
KUBECONFORM := $(CACHE)/bin/kubeconform-$(KUBECONFORM_VERSION)

# Where the test cluster lives, all of it, and which overlay is deployed.
STATE   ?= /var/tmp/opitios-cluster
OVERLAY ?= local-cluster

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
	CI=$${CI:-} go test -race -timeout 15m ./...

.PHONY: fuzz
fuzz: ## Fuzz every parser, 20 s each
	./test/fuzz.sh 20s

SEED     ?= 1
DURATION ?= 60s
.PHONY: chaos
chaos: redis ## Kill, pause, flush and fail over everything while orders are placed: make chaos SEED=7 DURATION=60s
	@go run ./test/chaos -seed $(SEED) -duration $(DURATION)

.PHONY: bench
bench: redis predecessor build ## Measure start time, memory and size of the functions, and the hot paths, against their goals
	go run ./test/bench

.PHONY: load
load: redis build ## Offer 10,000 quotes a second on 2,000 connections, and say what was reached
	go run ./test/bench -only load

.PHONY: lint
lint: $(GOLANGCI) ## Run the linters of .golangci.yml and check the formatting
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "gofmt these: $$unformatted"; exit 1; fi
	$(GOLANGCI) run ./...
	cd test/cluster && $(GOLANGCI) run -c ../../.golangci.yml ./...

.PHONY: build
build: ## Build the programs into bin/
	@mkdir -p $(BIN)
	@for f in $(FUNCTIONS); do $(BUILD) -o $(BIN)/$$f ./functions/$$f/cmd; done
	@$(BUILD) -o $(BIN)/emulator ./emulator/cmd
	@$(BUILD) -o $(BIN)/local ./local/cmd
	@ls -l $(BIN) | awk 'NR > 1 {printf "  %-10s %6.1f MiB\n", $$9, $$5/1048576}'

.PHONY: images
images: $(KO) ## Build the container images of the functions as a tar file in bin/images/ (no registry needed)
	@mkdir -p $(BIN)/images
	@# A base image is served from here: nothing is pulled.
	@KO_DOCKER_REPO=dev.local/opitios go run ./knative/image/cmd -- $(KO) build --push=false --preserve-import-paths --sbom=none \
	  --tarball $(BIN)/images/functions.tar $(FUNCTIONS:%=./functions/%/cmd) ./local/gateway/cmd ./knative/warmup/cmd

.PHONY: manifests
manifests: $(KUSTOMIZE) $(KUBECONFORM) ## Build every overlay of knative/ and validate it against the schemas of a real cluster
	@for overlay in knative/overlays/*/; do \
	  printf '%-30s ' $$overlay; \
	  $(KUSTOMIZE) build $$overlay | $(KUBECONFORM) -strict -summary \
	    -schema-location 'knative/schemas/{{ .ResourceKind }}-{{ .Group }}-{{ .ResourceAPIVersion }}.json' || exit 1; done

.PHONY: cluster
cluster: ## Bring up a real Kubernetes with Knative on this machine (Linux, root; a quarter of an hour the first time, then a minute or two)
	@cd test/cluster && go run ./cmd/cluster -state $(STATE) up

.PHONY: deploy
deploy: $(KO) $(KUSTOMIZE) ## Build the images and apply OVERLAY to the test cluster, or to KUBECONFIG's with KO_DOCKER_REPO
	@cd test/cluster && go run ./cmd/deploy -state $(STATE) -overlay $(OVERLAY) -ko $(KO) -kustomize $(KUSTOMIZE)

.PHONY: cluster-test
cluster-test: $(KUSTOMIZE) ## Run the end-to-end suite on the cluster that `make deploy` deployed to
	@cd test/cluster && STATE=$(STATE) KUSTOMIZE=$(KUSTOMIZE) go test -count=1 -timeout 30m -v ./suite

.PHONY: cluster-bench
cluster-bench: ## Measure on the deployed cluster: cold starts, throughput, the open burst, memory
	@cd test/cluster && go run ./cmd/measure -state $(STATE)

.PHONY: cluster-down
cluster-down: ## Stop the test cluster and undo what it did to the machine; ALL=1 also removes what was built
	@cd test/cluster && go run ./cmd/cluster -state $(STATE) $(if $(ALL),purge,down)

.PHONY: redis
redis:
	@command -v redis-server >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing redis-server ..."; apt-get update -qq && apt-get install -y -qq redis-server >/dev/null; \
	  else echo "redis-server is missing: install it with your package manager (Debian: apt-get install redis-server)"; exit 1; fi; }

# What the predecessor's stack needs (test/bench/peers). Without it that comparison is left out.
PREDECESSOR := python3-fastapi python3-uvicorn python3-uvloop python3-redis python3-jwt python3-httptools
.PHONY: predecessor
predecessor:
	@/usr/bin/python3 -c 'import fastapi, uvicorn, uvloop, redis, jwt' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "installing $(PREDECESSOR) ..."; apt-get update -qq && apt-get install -y -qq $(PREDECESSOR) >/dev/null || \
	      echo "not installed: the comparison with the predecessor is left out"; \
	  else echo "no comparison with the predecessor: install $(PREDECESSOR)"; fi; }

$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION) (some minutes, once) ..."
	@mkdir -p $(CACHE)/build && GOBIN=$(CACHE)/build go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mkdir -p $(CACHE)/bin && mv $(CACHE)/build/golangci-lint $@

$(KO):
	@echo "building ko $(KO_VERSION) (once) ..."
	@mkdir -p $(CACHE)/build && GOBIN=$(CACHE)/build go install github.com/google/ko@$(KO_VERSION)
	@mkdir -p $(CACHE)/bin && mv $(CACHE)/build/ko $@

$(KUSTOMIZE):
	@echo "building kustomize $(KUSTOMIZE_VERSION) (once) ..."
	@mkdir -p $(CACHE)/build && GOBIN=$(CACHE)/build go install sigs.k8s.io/kustomize/kustomize/v5@$(KUSTOMIZE_VERSION)
	@mkdir -p $(CACHE)/bin && mv $(CACHE)/build/kustomize $@

$(KUBECONFORM):
	@echo "building kubeconform $(KUBECONFORM_VERSION) (once) ..."
	@mkdir -p $(CACHE)/build && GOBIN=$(CACHE)/build go install github.com/yannh/kubeconform/cmd/kubeconform@$(KUBECONFORM_VERSION)
	@mkdir -p $(CACHE)/bin && mv $(CACHE)/build/kubeconform $@
