//! Bounds by bytes: only a limited amount of what waits in queues and tables is in memory at the same time. A single event or row
//! always passes, whatever its size.

use careq_shared::entities::{appointment, doctor, event, parked_event, patient, service};
use sea_orm::sea_query::{Alias, Expr, Iden, Order, Query, SelectStatement};

use crate::fault::{EventFault, Fault, FaultClass};

/// Maximum size of the events of one transaction.
pub(crate) const MAX_TRANSACTION: usize = 4 << 20;

/// Maximum size of the stored rows that one transaction reads.
pub(crate) const MAX_ROWS: usize = 16 << 20;

/// Maximum size of the rows of one statement.
pub(crate) const MAX_STATEMENT: usize = 8 << 20;

/// Maximum size of parked events or dead letters that are read together.
pub(crate) const MAX_WAITING: usize = 4 << 20;

/// Size in memory, without the fixed part of a type.
pub(crate) trait InBytes {
    fn bytes(&self) -> usize;
}

macro_rules! bytes {
    ($($module:ident: $($field:ident)*;)*) => { $(
        impl InBytes for $module::Model {
            fn bytes(&self) -> usize {
                [$( self.$field.as_ref().map_or(0, String::len) ),*].into_iter().sum()
            }
        }
    )* };
}
bytes! {
    patient: email gender address city state zip_code spouse_name father_name custom_field_1 custom_field_2 custom_field_3
        custom_field_4 custom_field_5 notes timezone language;
    doctor: email phone_number mobile_number address city state zip_code specialization notes timezone language;
    service: currency description location color category;
    appointment: location notes prescription referred_by referred_by_address color hash status_notes cancellation_reason
        cancelled_by;
    event: error_message waiting_for;
}

impl InBytes for parked_event::Model {
    fn bytes(&self) -> usize {
        self.event.size()
    }
}

impl<T: InBytes> InBytes for &T {
    fn bytes(&self) -> usize {
        (*self).bytes()
    }
}

/// Bytes that a transaction may still read.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    /// For the rows that so many events touch; unlimited for a single event.
    pub(crate) fn for_events(events: usize) -> Self {
        Self(if events > 1 { MAX_ROWS } else { usize::MAX })
    }

    /// Takes the size of a row; an error if the budget is exceeded, so that the batch is split.
    pub(crate) fn take(&mut self, one: &impl InBytes) -> Result<(), Fault> {
        let too_large = "The rows that they touch are too large to be read together";
        let too_large = || Fault::Event(EventFault::new(FaultClass::Transient, too_large));
        self.0 = self.0.checked_sub(one.bytes()).ok_or_else(too_large)?;
        Ok(())
    }
}

/// Splits a list into parts of at most `max` elements and `max_bytes` bytes. An element larger than that is a part of its own.
pub(crate) fn parts<T: InBytes>(mut list: &[T], max: usize, max_bytes: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |one: &&T| {
            bytes += one.bytes();
            bytes <= max_bytes
        };
        let count = list.iter().take_while(fits).count().clamp(1, max.max(1)).min(list.len());
        let (part, rest) = list.split_at(count);
        list = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// The first rows of an ordered selection whose `value`s have at most [`MAX_WAITING`] bytes in total, and at least one row. The
/// database sums up, so that the other rows are not sent.
pub(crate) fn first_rows(
    mut selection: SelectStatement,
    columns: impl IntoIterator<Item = impl Iden + 'static>,
    value: &str,
    order: &[&str],
) -> SelectStatement {
    for column in order {
        selection.order_by(Alias::new(*column), Order::Asc);
    }
    let running = format!(
        "SUM(OCTET_LENGTH({value})) OVER (ORDER BY {order}) - OCTET_LENGTH({value})",
        order = order.join(", ")
    );
    let counted = Query::select()
        .expr(Expr::cust("*"))
        .expr_as(Expr::cust(running), Alias::new("bytes_before"))
        .from_subquery(selection, Alias::new("selection"))
        .to_owned();
    let mut first = Query::select()
        .columns(columns)
        .from_subquery(counted, Alias::new("counted"))
        .and_where(Expr::cust(format!("bytes_before < {MAX_WAITING}")))
        .to_owned();
    for column in order {
        first.order_by(Alias::new(*column), Order::Asc);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sized(usize);

    impl InBytes for Sized {
        fn bytes(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn parts_are_bounded_and_lose_nothing() {
        let list = [5, 5, 1, 30, 2, 2, 2, 2].map(Sized);
        let sizes = |max, max_bytes| {
            let parts = parts(&list, max, max_bytes).map(|part| part.iter().map(|one| one.0).collect());
            parts.collect::<Vec<Vec<_>>>()
        };
        assert_eq!(sizes(3, 11), [vec![5, 5, 1], vec![30], vec![2, 2, 2], vec![2]]);
        assert_eq!(sizes(100, 1), [vec![5], vec![5], vec![1], vec![30], vec![2], vec![2], vec![2], vec![2]]);
        assert_eq!(sizes(100, 100).len(), 1);
        assert_eq!(parts::<Sized>(&[], 3, 11).count(), 0);
    }

    #[test]
    fn one_event_alone_reads_whatever_it_touches() {
        assert!(Budget::for_events(1).take(&Sized(MAX_ROWS + 1)).is_ok());
        let mut budget = Budget::for_events(2);
        assert!(budget.take(&Sized(MAX_ROWS)).is_ok());
        assert!(budget.take(&Sized(1)).is_err());
    }
}
