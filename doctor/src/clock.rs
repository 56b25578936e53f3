//! Our clock beside those of the servers. CareQ's own cannot be asked: where ours agrees with two others, it is the one to trust.

use careq_shared::clock;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, DbErr};

use crate::broker::management::Management;
use crate::database::row;
use crate::finding::{Finding, or_refused};

/// Time stamps of two processes are compared to order versions that have none of CareQ's.
const TOLERATED: TimeDelta = TimeDelta::seconds(5);

/// Signatures are taken within 300 s (API specification, "Authentication"), and CareQ's clock may be wrong, too.
const TOO_MUCH: TimeDelta = TimeDelta::seconds(60);

/// The codes for one server.
struct Codes {
    agrees: &'static str,
    differs: &'static str,
}

const DATABASE: Codes = Codes { agrees: "clock.database_agrees", differs: "clock.database_differs" };
const BROKER: Codes = Codes { agrees: "clock.broker_agrees", differs: "clock.broker_differs" };

pub(crate) async fn of_database(database: &DatabaseConnection) -> Vec<Finding> {
    or_refused(ask(database).await)
}

async fn ask(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let before = clock::now();
    let theirs: DateTime<Utc> = row(database, "SELECT clock_timestamp() AS now").await?.try_get_by("now")?;
    Ok(vec![compared("the database", &DATABASE, apart(before, theirs, clock::now()))])
}

/// By the `Date` of its answer, which has whole seconds.
pub(crate) fn of_broker(management: &Management) -> Vec<Finding> {
    let Some((before, theirs, after)) = management.date else { return Vec::new() };
    let apart = apart(before - TimeDelta::seconds(1), theirs, after);
    vec![compared("the broker", &BROKER, apart)]
}

/// How far a clock certainly is from ours, if it was read between these two moments.
fn apart(before: DateTime<Utc>, theirs: DateTime<Utc>, after: DateTime<Utc>) -> TimeDelta {
    if theirs < before {
        theirs - before
    } else if theirs > after {
        theirs - after
    } else {
        TimeDelta::zero()
    }
}

fn compared(whose: &str, codes: &Codes, apart: TimeDelta) -> Finding {
    let size = apart.abs();
    if size <= TOLERATED {
        return Finding::well(codes.agrees, format!("the clock of {whose} agrees with ours"));
    }
    let direction = if apart > TimeDelta::zero() { "ahead of" } else { "behind" };
    let seen = format!("the clock of {whose} is {} s {direction} ours", size.num_seconds());
    let finding = if size > TOO_MUCH {
        Finding::error(codes.differs, seen)
    } else {
        Finding::warning(codes.differs, seen)
    };
    finding
        .means(
            "one of the two is wrong; where it is ours, CareQ's signed requests are refused from 300 s on, and \
             versions without a stamp of CareQ's may be ordered wrongly",
        )
        .remedy("`timedatectl` on both machines tells which; `timedatectl set-ntp true` has it set itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_counts() {
        let before = clock::now();
        let after = before + TimeDelta::seconds(3);
        let at = |seconds| before + TimeDelta::seconds(seconds);
        for (theirs, certain) in [(at(0), 0), (at(3), 0), (at(10), 7), (at(-10), -10)] {
            assert_eq!(apart(before, theirs, after), TimeDelta::seconds(certain));
        }
    }
}
