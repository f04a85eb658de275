# CI runs scripts/test, which installs the dependencies of the tests and then runs `make test`.

.PHONY: test deps lint golden

test: lint
	cargo test --locked

deps:
	scripts/test-deps

lint:
	cargo fmt --check
	cargo fmt --check --manifest-path tests/clients/rust/Cargo.toml
	cargo clippy --locked --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --no-deps --quiet
	cargo deny --log-level error check bans licenses sources

# Rewrites the golden replies and the generated documents; read the diff before you commit it.
golden:
	GOLDEN=write cargo test --locked --test it -- golden the_documents_are_made the_document_is_current
