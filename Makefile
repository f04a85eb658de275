# CI runs scripts/test, which installs the dependencies of the tests and then runs `make test`.

.PHONY: test deps lint golden instructions

test: lint
	cargo test --locked --workspace
	$(MAKE) --no-print-directory instructions

deps:
	scripts/test-deps

lint:
	cargo fmt --all --check
	cargo fmt --check --manifest-path tests/clients/rust/Cargo.toml
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps --quiet
	cargo deny --workspace --log-level error check bans licenses sources
	cargo package --locked --offline --quiet --allow-dirty --package tencent-usersig

# Rewrites the golden replies and the generated documents; read the diff before you commit it.
golden:
	GOLDEN=write cargo test --locked --test it -- golden the_documents_are_made the_document_is_current

# Counts the instructions of four calls and compares them with bench/instructions/budget.toml; with RECORD=1 it rewrites that
# file.
instructions:
	cargo build --release --locked
	bench/instructions/measure $(if $(RECORD),--record --runs 3)
