# The four commands: run, test, lint, bench (and a short form of it); and four for the patient: faults, schemathesis and fuzz look
# for what nobody thought of, explain for what is quick only as long as the tables are small.
.PHONY: run test lint bench bench-short faults schemathesis fuzz explain structure servers

run:
	cargo run --bin careq-sync

test: servers
	cargo test --workspace
	$(MAKE) schemathesis

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# Everything beside its raw limits, a quarter of an hour on a quiet machine; writes docs/performance/results.md.
bench: servers
	cargo build --release --workspace
	target/release/careq-bench

# The same with small sizes, in a minute; writes nothing.
bench-short: servers
	cargo build --release --workspace
	target/release/careq-bench --short

# Every fault under a longer load, with a release build that has crash points; writes docs/faults.md.
faults: servers
	cargo test --profile faults --workspace --test faults -- --long

# Requests made up from the API's description, on both stacks.
schemathesis: servers
	tests/schemathesis/install
	cargo test --workspace --test system -- --ignored schemathesis --test-threads 1

# Bytes from outside, made up for a minute each, starting from the corpus in the repository.
fuzz:
	fuzz/run

# The plan of every statement that an installation issues, with ten million events in the ledger: some minutes, and gigabytes of disk.
explain: servers
	cargo test --workspace --test system -- --ignored --nocapture at_ten_million_events

# Lines, parts, levels and imports of each crate, as a table.
structure:
	cargo test --workspace --test system -- --ignored --nocapture structure_of_each_crate

# PostgreSQL and RabbitMQ for tests and bench: found, installed, started.
servers:
	tests/start-servers
