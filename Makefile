# Every target is one call of cargo or of a script. Needs the Rust toolchain; scripts/get-redis sees to a Redis.

PROFILE ?= dev
export PROFILE

MILLSTREAM := cargo run --quiet --profile $(PROFILE) --bin millstream --

.DEFAULT_GOAL := help
.PHONY: help up down demo test check bench chaos histories mutants openapi schemas walk contract validate-deploy

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## build and run everything until Ctrl-C (WORKERS=4, PROFILE=release, REDIS_URL=redis://...)
	@scripts/up

down: ## stop the `make up` of this checkout
	@scripts/down

demo: ## submit a sample task to the running system and watch it
	@$(MILLSTREAM) submit --watch "Build a user authentication system" --priority high

test: ## run every test on a real Redis of its own
	@scripts/test

check: ## check the format, the lints, the shell scripts and the documentation
	@scripts/check

bench: ## measure the release build (ARGS="..." goes to `millstream bench`)
	@bin=$$(scripts/get-redis) && REDIS_SERVER_BIN=$$bin exec cargo run --release --bin millstream -- bench $(ARGS)

chaos: ## break a running system for DURATION seconds and check the books (SEED=, PROFILE=always|everysec|flushall|diskfull)
	@scripts/chaos

histories: ## run long random histories of the scripts on Redis and on Valkey (HISTORIES_SEED=, HISTORIES_COUNT=, HISTORIES_STEPS=)
	@scripts/histories

mutants: ## build it broken on purpose and see which tests notice (MUTANTS="name", LAYERS="store", UNTIL=caught)
	@scripts/mutants

openapi: ## write docs/openapi.json anew
	@$(MILLSTREAM) openapi >docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json

schemas: ## write proto-schemas/schemas anew
	@cargo run --quiet -p proto-schemas --example write_schemas

walk: ## do what a newcomer does: clone, README's commands, first task, clean end
	@scripts/newcomers-walk

contract: ## have the API, its document, the streams and /metrics checked by schemathesis, a generated client and promtool (BIN=)
	@scripts/contract $(BIN)

validate-deploy: ## check deploy/ without a container engine (BIN=path of a built millstream)
	@scripts/validate-deploy $(BIN)
