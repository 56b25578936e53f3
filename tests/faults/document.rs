//! `docs/faults.md`, written by the long run. It must never be edited by hand.

use std::path::Path;

use crate::table::Row;

/// Writes the table.
pub(crate) fn write(rows: &[(&str, u64, Row)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs");
    std::fs::create_dir_all(&folder).unwrap();
    let rows: Vec<_> = rows.iter().map(|(name, seed, row)| row.markdown(name, *seed)).collect();
    let day = careq_shared::clock::now().date_naive();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let text = format!(
        "# Faults\n\n\
         Written by `make faults` on {day}, on a machine with {cores} cores, which carried load, servers and the product at \
         once. Each fault was played under load from `careq-sync simulate` with the seed given, on PostgreSQL and RabbitMQ or, \
         where it says so, on the embedded default. Afterwards the simulator looked for every acknowledged event by its status \
         page, and compared every row with what the bookings imply; every process still ran, and every queue was empty.\n\n\
         *Recovered* is the time from the end of the fault until a new event got its result again through every ingress.\n\n\
         | fault | acknowledged | lost | doubled | wrong | recovered | seed |\n\
         |---|---|---|---|---|---|---|\n\
         {}\n",
        rows.join("\n")
    );
    std::fs::write(folder.join("faults.md"), text).unwrap();
}
