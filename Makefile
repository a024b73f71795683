# Needs Rust, Go, a C compiler, curl and make. `make` alone prints what there is.

# What CI sets to --locked: there the build must use the versions of Cargo.lock, here it may add to them.
LOCKED ?=
# How many suites run at a time.
AT_ONCE ?= 3
# Arguments of the program that `run` and `demo` start.
ARGS ?=
CRDS := charts/jira-connection-operator/crds

.DEFAULT_GOAL := help
# The targets are steps of one build in one target directory: side by side they would only wait for each other.
.NOTPARALLEL:
.PHONY: help build fmt lint dependencies test browser tokens chaos bench bench-quick bench-micro fuzz sbom crds docs fixtures chart install-yaml image-binary reproducible demo controlplane run install plugin krew

help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build all programs
	cargo build $(LOCKED) --workspace --bins

fmt: ## Format the code
	cargo fmt --all

lint: ## Check format, lints, CRDs, and the dependencies where cargo-deny is installed
	cargo fmt --all --check
	cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	cargo clippy $(LOCKED) --workspace --features controller/otel -- -D warnings
	cargo run $(LOCKED) --quiet -p crds --bin crdgen -- --check $(CRDS)
	@$(MAKE) --no-print-directory dependencies

# An advisory fails, and so does a database that is there and broken; without a network there is none to look into.
dependencies: ## Check licences, sources, versions and known vulnerabilities of the dependencies (cargo-deny)
	@if ! cargo deny --version >/dev/null 2>&1; then \
		echo '*** SKIPPED: cargo-deny is not installed, so the dependencies are unchecked: cargo install --locked cargo-deny ***'; \
		exit 0; \
	fi; \
	cargo deny check licenses sources bans || exit; \
	if fault=$$(cargo deny fetch db 2>&1); then \
		cargo deny check --disable-fetch advisories; \
	else \
		echo "$$fault" | tail -n 3; \
		echo '*** SKIPPED: the advisory database cannot be fetched, so known vulnerabilities of the dependencies are not looked for ***'; \
	fi

# The suites start the operator as a program, and cargo builds the programs of other packages only when told.
test: build ## Run all tests; the first run builds a Kubernetes control plane, which takes minutes
	cargo test $(LOCKED) --workspace --all-targets --no-run
	cargo test $(LOCKED) --workspace --no-fail-fast --lib --bins
	cargo test $(LOCKED) --workspace --no-fail-fast --doc
	cargo test $(LOCKED) --workspace --features controller/otel --lib -- traces
	$(MAKE) --no-print-directory --file=tests/suites.mk --jobs=$(AT_ONCE) --keep-going --output-sync=target LOCKED=$(LOCKED)
	@$(MAKE) --no-print-directory browser
	@$(MAKE) --no-print-directory bench-quick

browser: build ## Authorise in a real Chromium; UPDATE_PICTURES=1 writes docs/pictures anew
	@if { command -v chromium && command -v chromedriver && command -v npm; } >/dev/null; then \
		cargo test $(LOCKED) --workspace --test browser; \
	else \
		echo '*** SKIPPED: chromium, chromedriver or npm is not installed, so the pages are untried in a browser ***'; \
	fi

# The suite of `test` with its full numbers: minutes in place of seconds.
tokens: export TOKEN_RUNS ?= 500
tokens: export TOKEN_CALLBACKS ?= 100
tokens: export TOKEN_COLD ?= 1000
tokens: build ## Try to lose tokens: 500 renewals under random faults, 100 callbacks beside 1000 cold connections
	cargo test $(LOCKED) --workspace --test tokens -- --nocapture --test-threads=1

# The same: rounds of random faults for so many seconds, and single faults at their full length.
chaos: export CHAOS_SECONDS ?= 180
chaos: build ## Let everything around the operator fall, for less than ten minutes; SEED=… repeats one round
	cargo test $(LOCKED) --workspace --test chaos -- --nocapture --test-threads=1

# What is measured is built as it is shipped; what measures it, with another profile, which links in seconds.
BENCH := cargo bench $(LOCKED) --profile measure --workspace --bench operator --

bench: ## Measure the operator beside a bare client: tables, and JSON in target/bench; half an hour. ARGS='--help' shows more
	$(BENCH) $(ARGS)

# With what `build` has built, so that it takes no time to speak of.
bench-quick: build ## Look whether the measurements work, with small numbers and programs that are not optimised: a minute
	cargo bench $(LOCKED) --profile dev --workspace --bench operator -- --quick $(ARGS)

bench-micro: ## Measure what the operator does between two requests: deciding, signing, reading objects
	cargo bench $(LOCKED) --profile measure --workspace --bench micro -- $(ARGS)

# Seconds for each target of `fuzz`.
FUZZ_SECONDS ?= 600

fuzz: ## Look for texts that break a law, FUZZ_SECONDS (600) for each target; needs cargo-fuzz and a nightly toolchain
	@cargo +nightly --version >/dev/null 2>&1 || \
		{ echo 'there is no nightly toolchain: rustup toolchain install nightly' >&2; exit 1; }
	@cargo fuzz --version >/dev/null 2>&1 || \
		{ echo 'there is no cargo-fuzz: cargo install --locked cargo-fuzz' >&2; exit 1; }
	@cd fuzz && for target in $$(cargo +nightly fuzz list); do \
		echo "--- $$target"; \
		cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -timeout=60 -print_final_stats=1 || exit; \
	done

# CycloneDX of the programs that are shipped, with the versions of Cargo.lock. The tool writes beside the manifest of every member of
# the workspace, and names the place of the sources, which is nobody's business. The time is that of the last commit.
sbom: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
sbom: ## List everything that the programs are built from, in CycloneDX, in target/sbom; needs cargo-cyclonedx
	@cargo cyclonedx --version >/dev/null 2>&1 || \
		{ echo 'there is no cargo-cyclonedx: cargo install --locked cargo-cyclonedx' >&2; exit 1; }
	cargo cyclonedx --quiet --manifest-path controller/Cargo.toml --format json --spec-version 1.5 --describe binaries
	@mkdir -p target/sbom
	@for program in jira-operator kubectl-jira; do \
		sed 's|file://$(CURDIR)|file:///src|g' controller/$${program}_bin.cdx.json > target/sbom/$$program.cdx.json; \
	done
	@rm -f */*_bin.cdx.json
	@ls target/sbom/*.cdx.json

crds: ## Write the CRDs anew from the types
	cargo run $(LOCKED) --quiet -p crds --bin crdgen -- $(CRDS)

docs: ## Write docs/{reasons,metrics,flags,kubectl-jira-reference}.md anew from the code
	UPDATE_DOCS=1 cargo test $(LOCKED) --quiet -p controller --lib -- reference manual

fixtures: ## Write tests/fixtures/verdicts anew from the code: an object for each status, and what tools must make of it
	UPDATE_FIXTURES=1 cargo test $(LOCKED) --quiet -p controller --lib verdicts

chart: ## Check the chart: schemas, API server, roles; the first run builds helm and kubeconform
	cargo test $(LOCKED) -p tests --test chart

install-yaml: ## Write config/rbac.yaml and config/install.yaml anew from the chart, and its copy of the script for Argo CD
	cp gitops/argo-cd/health.lua $(dir $(CRDS))files/
	cargo run $(LOCKED) --quiet -p tests --bin manifests -- config

# Target of the static program. Its C compiler is musl-gcc of Debian's musl-tools; another one goes into CC_….
MUSL := $(shell uname -m)-unknown-linux-musl

# The program must not tell where the sources and those of the dependencies are, so that it can be the same wherever it is built.
image-binary: export RUSTFLAGS = --remap-path-prefix=$(CURDIR)=/src --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo
image-binary: export CARGO_TARGET_DIR = $(CURDIR)/target
image-binary: export CC_$(subst -,_,$(MUSL)) ?= musl-gcc
image-binary: ## Build the static program of the image without a container engine, and print its size and digest
	@rustc --print target-libdir --target $(MUSL) | xargs test -d || \
		{ echo 'the Rust target is not installed: rustup target add $(MUSL)' >&2; exit 1; }
	@command -v $$CC_$(subst -,_,$(MUSL)) >/dev/null || \
		{ echo "there is no $$CC_$(subst -,_,$(MUSL)), the C compiler for musl: apt-get install musl-tools" >&2; exit 1; }
	cargo build $(LOCKED) --release -p controller --bin jira-operator --target $(MUSL)
	@program=target/$(MUSL)/release/jira-operator; \
	if readelf --program-headers $$program | grep -q INTERP; then echo "$$program is not static" >&2; exit 1; fi; \
	printf '%s is static and has %s bytes\n' $$program $$(wc -c <$$program); \
	sha256sum $$program

# Two copies of the sources, in folders of other names, each with a target directory of its own.
COPIES := one another-one

reproducible: ## Build the static program twice, in two places, and look whether both are the same, byte for byte
	@rm -rf target/reproducible
	@set -e; for copy in $(COPIES); do \
		mkdir -p target/reproducible/$$copy; \
		git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create --file=- | tar --extract --file=- --directory=target/reproducible/$$copy; \
		$(MAKE) --no-print-directory --directory=target/reproducible/$$copy image-binary LOCKED=--locked; \
	done
	@cd target/reproducible && cmp $(COPIES:%=%/target/$(MUSL)/release/jira-operator) && echo 'both builds are the same, byte for byte'

# Without `-p`, so that the dependencies keep the features with which `build` has built them.
demo: build ## Show the operator at work with a control plane and a Jira simulator of its own
	cargo run $(LOCKED) --quiet --bin demo -- $(ARGS)

controlplane: ## Start a Kubernetes control plane to try things on
	cargo run $(LOCKED) --quiet -p tests --bin controlplane

run: ## Run the operator against the current kubeconfig context; ARGS='--help' shows its flags
	cargo run $(LOCKED) --quiet -p controller --bin jira-operator -- $(ARGS)

install: ## Apply the CRDs to the current kubeconfig context
	kubectl apply -f $(CRDS)

# Without `-p`, as `demo`.
plugin: ## Build the plugin of kubectl, `kubectl jira`, and say where it is
	cargo build $(LOCKED) --release --bin kubectl-jira
	@echo "Built $${CARGO_TARGET_DIR:-target}/release/kubectl-jira: copy it into a folder of your PATH, and kubectl knows it as kubectl jira."

# Where the archive will be found. None is published, so whoever publishes one says where.
KREW_URL ?= https://downloads.example/jira-connection-operator

krew: plugin ## Pack the plugin for krew, with its manifest, into target/krew; KREW_URL says where the archive will be found
	krew/pack.sh $${CARGO_TARGET_DIR:-target}/release/kubectl-jira $${CARGO_TARGET_DIR:-target}/krew $(KREW_URL)
