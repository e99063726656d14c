# What one does in this repository, each in a line. Go is all it needs; lint
# also installs its linter, outside the repository, the first time.

MODULES := shared gateway presence authz ratelimit hubmesh
GO      ?= go

.DEFAULT_GOAL := help

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev
dev: ## run the whole house in one process
	$(GO) run ./hubmesh dev

.PHONY: test
test: ## run all tests as a newcomer would
	$(GO) test work

.PHONY: race
race: ## run all tests anew under the race detector
	$(GO) test -race -count=1 work

.PHONY: soak
soak: ## tell the long stories, and run what races twenty times
	$(GO) test -count=1 -timeout 30m ./shared/follow -args -long
	$(GO) test -count=1 -timeout 10m ./presence -args -long
	$(GO) test -count=1 -timeout 60m -v ./hubmesh/e2e -args -long
	$(GO) test -race -count=20 -timeout 60m ./shared/... ./gateway/... ./presence/... ./authz/... ./ratelimit/...

.PHONY: bench
bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem work

.PHONY: lint
lint: ## look for what reviewers would say
	.ci/lint

.PHONY: tidy
tidy: ## make every go.mod hold what its module needs, and no more
	@for m in $(MODULES); do echo "tidy $$m"; (cd $$m && GOWORK=off $(GO) mod tidy) || exit 1; done

.PHONY: build
build: ## build every module alone, as one who takes only that one would
	@for m in $(MODULES); do echo "build $$m"; (cd $$m && GOWORK=off $(GO) build ./...) || exit 1; done

.PHONY: docs
docs: ## print docs/subjects.md, docs/config.md and nats.conf anew from the code
	$(GO) test -count=1 ./shared/subject ./hubmesh/internal/deploy -run Printed -update

.PHONY: ci
ci: ## run what must pass before a change is taken
	.ci/run
