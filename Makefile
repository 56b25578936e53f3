# The four commands: run, test, lint, bench; and one for the patient, faults.
.PHONY: run test lint bench faults servers

run:
	cargo run --bin careq-sync

test: servers
	cargo test --workspace

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

bench: servers
	cargo run --release --package careq-bench

# Every fault under a longer load, with a release build that has crash points; writes docs/faults.md.
faults: servers
	cargo test --profile faults --package careq-sync --test faults -- --long

# PostgreSQL and RabbitMQ for tests and bench: found, installed, started.
servers:
	tests/start-servers
