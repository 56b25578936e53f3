//! `make bench`: how fast we are, beside what the broker and the database do without us, in one run on one machine. Only
//! the ratios are worth comparing; nothing here may ever decide whether a test passes.

mod installation;
mod ours;
mod raw;

use anyhow::Result;
use careq_shared::records::Kind;
use serde_json::{Value, json};

use installation::Installation;

/// Webhooks sent to the ingress, over so many connections.
const ACCEPTED: usize = 20_000;
const CONNECTIONS: usize = 64;

/// Events in the backlog of one worker.
const DRAINED: usize = 50_000;

/// A rate, and the raw limit that it stands beside.
struct Row {
    what: &'static str,
    per_second: f64,
    beside: &'static str,
    limit_per_second: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let installation = Installation::new().await?;
    let confirmed = raw::publish_with_confirms(&installation, ACCEPTED).await?;
    let acknowledged = ours::acknowledge(&installation, ACCEPTED, CONNECTIONS).await?;
    let inserted = raw::insert_in_batches(&installation, DRAINED).await?;
    let drained = ours::drain(&installation, DRAINED).await?;
    installation.remove().await?;
    print(&[
        Row {
            what: "ingress acknowledges",
            per_second: acknowledged,
            beside: "RabbitMQ alone, confirmed",
            limit_per_second: confirmed,
        },
        Row {
            what: "one worker drains",
            per_second: drained,
            beside: "PostgreSQL alone, batched",
            limit_per_second: inserted,
        },
    ]);
    Ok(())
}

/// The body of the n-th patient.
fn patient(careq_id: usize) -> Value {
    json!({
        "careq_id": careq_id + 1, "clinic_id": installation::CLINIC, "first_name": "Asha", "last_name": "Rao",
        "phone_number": "9000000001", "email": "asha@example.com", "city": "Pune", "updated_at": "2025-12-10T10:00:00Z",
    })
}

const KIND: Kind = Kind::Patient;

fn print(rows: &[Row]) {
    #[expect(clippy::print_stdout, reason = "the table is what was asked for")]
    {
        println!("{:<22} {:>10}   {:<26} {:>10}   ratio", "", "per second", "beside", "per second");
        for row in rows {
            let ratio = row.per_second / row.limit_per_second;
            let (what, beside) = (row.what, row.beside);
            println!(
                "{what:<22} {:>10.0}   {beside:<26} {:>10.0}   {ratio:.2}",
                row.per_second, row.limit_per_second
            );
        }
    }
}
