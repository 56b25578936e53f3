# The four commands: run, test, lint, bench.
.PHONY: run test lint bench servers

run:
	cargo run --bin careq-sync

test: servers
	cargo test --workspace

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

bench: servers
	cargo run --release --package careq-bench

# PostgreSQL and RabbitMQ for tests and bench: found, installed, started.
servers:
	tests/start-servers
