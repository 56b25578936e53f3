//! The local clock, compared with the clocks of database and broker. CareQ's clock cannot be queried.

use careq_shared::clock;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseConnection, DbErr};

use crate::broker::management::Management;
use crate::database::row;
use crate::report::Finding;

/// A tolerated difference. Timestamps of two processes order versions without a timestamp of CareQ's.
const MAX_TOLERATED: TimeDelta = TimeDelta::seconds(5);

/// A difference beyond is an error. Signatures are valid for 300 s (API specification, "Authentication"), and CareQ's clock may differ, too.
const MAX_WARNED: TimeDelta = TimeDelta::seconds(60);

pub(crate) async fn compare_with_database(database: &DatabaseConnection) -> Result<Vec<Finding>, DbErr> {
    let before = clock::now();
    let theirs: DateTime<Utc> = row(database, "SELECT clock_timestamp() AS now").await?.try_get_by("now")?;
    let codes = ("clock.database_agrees", "clock.database_differs");
    Ok(vec![compared("the database", codes, difference(before, theirs, clock::now()))])
}

/// Uses the `Date` header of a response, which has whole seconds.
pub(crate) fn compare_with_broker(management: &Management) -> Vec<Finding> {
    let Some((before, theirs, after)) = management.date else { return Vec::new() };
    let codes = ("clock.broker_agrees", "clock.broker_differs");
    vec![compared("the broker", codes, difference(before - TimeDelta::seconds(1), theirs, after))]
}

/// The certain difference of a clock that was read between `before` and `after`; zero if it may agree.
fn difference(before: DateTime<Utc>, theirs: DateTime<Utc>, after: DateTime<Utc>) -> TimeDelta {
    theirs - theirs.min(after).max(before)
}

fn compared(server: &str, (agrees, differs): (&'static str, &'static str), difference: TimeDelta) -> Finding {
    let size = difference.abs();
    if size <= MAX_TOLERATED {
        return Finding::well(agrees, format!("the clock of {server} agrees with the local clock"));
    }
    let direction = if difference > TimeDelta::zero() { "ahead of" } else { "behind" };
    let seen = format!("the clock of {server} is {} s {direction} the local clock", size.num_seconds());
    let finding =
        if size > MAX_WARNED { Finding::error(differs, seen) } else { Finding::warning(differs, seen) };
    finding
        .means(
            "one of them is wrong; if it is the local one, CareQ's signed requests are refused from 300 s on, and \
             versions without CareQ's timestamp may be ordered wrongly",
        )
        .remedy("compare `timedatectl` on both machines; `timedatectl set-ntp true` synchronizes a clock")
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
