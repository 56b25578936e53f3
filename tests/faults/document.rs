//! `docs/faults.md`, written by the long run and not edited by hand. The table of a run with a failure is written to
//! `target/faults-not-passed.md`, so that it does not replace the last passed one.

use std::path::{Path, PathBuf};

use crate::PARTITIONS;
use crate::table::Row;

/// Writes the table and returns its path.
pub(crate) fn write(rows: &[(&str, u64, Row)], have_all_passed: bool) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (title, file) = if have_all_passed {
        ("Faults", "docs/faults.md")
    } else {
        ("Faults: this run did NOT pass", "target/faults-not-passed.md")
    };
    let file = workspace.join(file);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let rows: Vec<_> = rows.iter().map(|(name, seed, row)| row.markdown(name, *seed)).collect();
    let day = careq_shared::clock::now().date_naive();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let text = format!(
        "# {title}\n\n\
         Written by `make faults` on {day}, on a machine with {cores} cores, which carried load, servers and the product at \
         once. Each fault was played under load from `careq-sync simulate` with the seed given, on PostgreSQL and RabbitMQ or, \
         where it says so, on the embedded default. The load had a clinic in each of {} partitions. Afterwards the simulator looked \
         for every acknowledged event by its status page, and compared every row with what the bookings imply; every process \
         still ran, and every queue was empty. A disk failed by a preloaded library, `tests/harness/faulty_disk.c`, which fails \
         the calls that write to the data folder.\n\n\
         *Recovered* is the time from the end of the fault until a new event of each partition got its result again through every \
         ingress.\n\n\
         | fault | acknowledged | lost | doubled | wrong | recovered | seed |\n\
         |---|---|---|---|---|---|---|\n\
         {}\n",
        PARTITIONS[1],
        rows.join("\n")
    );
    std::fs::write(&file, text).unwrap();
    file
}
