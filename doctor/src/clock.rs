//! The local clock, compared with the clocks of database and broker. CareQ's clock cannot be queried.

use careq_shared::clock;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, DbErr};

use crate::broker::management::Management;
use crate::database::row;
use crate::finding::{Finding, or_query_failed};

/// A tolerated difference. Timestamps of two processes order versions without a timestamp of CareQ's.
const MAX_TOLERATED: TimeDelta = TimeDelta::seconds(5);

/// A difference beyond is an error. Signatures are valid for 300 s (API specification, "Authentication"), and CareQ's clock may differ, too.
const MAX_WARNED: TimeDelta = TimeDelta::seconds(60);

/// The finding codes of one server.
struct Codes {
    agrees: &'static str,
    differs: &'static str,
}

const DATABASE: Codes = Codes { agrees: "clock.database_agrees", differs: "clock.database_differs" };
const BROKER: Codes = Codes { agrees: "clock.broker_agrees", differs: "clock.broker_differs" };

pub(crate) async fn of_database(database: &DatabaseConnection) -> Vec<Finding> {
    or_query_failed(query(database).await)
}

async fn query(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let before = clock::now();
    let theirs: DateTime<Utc> = row(database, "SELECT clock_timestamp() AS now").await?.try_get_by("now")?;
    Ok(vec![compared("the database", &DATABASE, difference(before, theirs, clock::now()))])
}

/// Uses the `Date` header of a response, which has whole seconds.
pub(crate) fn of_broker(management: &Management) -> Vec<Finding> {
    let Some((before, theirs, after)) = management.date else { return Vec::new() };
    let difference = difference(before - TimeDelta::seconds(1), theirs, after);
    vec![compared("the broker", &BROKER, difference)]
}

/// The certain difference of a clock that was read between `before` and `after`; zero if it may agree.
fn difference(before: DateTime<Utc>, theirs: DateTime<Utc>, after: DateTime<Utc>) -> TimeDelta {
    if theirs < before {
        theirs - before
    } else if theirs > after {
        theirs - after
    } else {
        TimeDelta::zero()
    }
}

fn compared(server: &str, codes: &Codes, difference: TimeDelta) -> Finding {
    let size = difference.abs();
    if size <= MAX_TOLERATED {
        return Finding::well(codes.agrees, format!("the clock of {server} agrees with ours"));
    }
    let direction = if difference > TimeDelta::zero() { "ahead of" } else { "behind" };
    let seen = format!("the clock of {server} is {} s {direction} ours", size.num_seconds());
    let finding = if size > MAX_WARNED {
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
    fn only_a_certain_difference_counts() {
        let before = clock::now();
        let after = before + TimeDelta::seconds(3);
        let at = |seconds| before + TimeDelta::seconds(seconds);
        for (theirs, certain) in [(at(0), 0), (at(3), 0), (at(10), 7), (at(-10), -10)] {
            assert_eq!(difference(before, theirs, after), TimeDelta::seconds(certain));
        }
    }
}
