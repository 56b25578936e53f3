//! Converts a delivery of lapin to the port's.

use lapin::message::Delivery as LapinDelivery;
use lapin::types::{AMQPValue, FieldTable};

use crate::broker::port::Delivery;
use crate::trace_context::{TRACEPARENT, TraceContext};

pub(super) fn delivery(delivered: LapinDelivery) -> Delivery {
    let headers = delivered.properties.headers().as_ref().map(FieldTable::inner);
    let counted = headers.and_then(|headers| headers.get("x-delivery-count")).map(count);
    let redeliveries = counted.unwrap_or_else(|| u32::from(delivered.redelivered));
    let trace = headers.and_then(|headers| headers.get(TRACEPARENT)).and_then(trace);
    Delivery { body: delivered.data.into(), redeliveries, trace }
}

fn trace(value: &AMQPValue) -> Option<TraceContext> {
    let AMQPValue::LongString(traceparent) = value else { return None };
    TraceContext::read(str::from_utf8(traceparent.as_bytes()).ok()?)
}

/// The number of earlier deliveries, in any integer type. A value that cannot be read counts as the highest number, so
/// that a message that ends the process is still tried alone.
fn count(value: &AMQPValue) -> u32 {
    let count = match value {
        AMQPValue::ShortShortInt(count) => Some(i64::from(*count)),
        AMQPValue::ShortShortUInt(count) => Some(i64::from(*count)),
        AMQPValue::ShortInt(count) => Some(i64::from(*count)),
        AMQPValue::ShortUInt(count) => Some(i64::from(*count)),
        AMQPValue::LongInt(count) => Some(i64::from(*count)),
        AMQPValue::LongUInt(count) => Some(i64::from(*count)),
        AMQPValue::LongLongInt(count) => Some(*count),
        _ => None,
    };
    count.and_then(|count| u32::try_from(count).ok()).unwrap_or_else(|| {
        let reason = format!("a {:?} that is not from 0 to {}", value.get_type(), u32::MAX);
        tracing::warn!(reason, "x-delivery-count cannot be read; the message is tried alone");
        u32::MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_count_is_read_in_every_integer_type() {
        for value in [
            AMQPValue::ShortShortInt(7),
            AMQPValue::ShortShortUInt(7),
            AMQPValue::ShortInt(7),
            AMQPValue::ShortUInt(7),
            AMQPValue::LongInt(7),
            AMQPValue::LongUInt(7),
            AMQPValue::LongLongInt(7),
        ] {
            assert_eq!(count(&value), 7, "{value:?}");
        }
    }

    #[test]
    fn a_delivery_count_that_cannot_be_read_is_not_zero() {
        for value in [
            AMQPValue::LongLongInt(-1),
            AMQPValue::LongLongInt(i64::MAX),
            AMQPValue::LongString("7".into()),
            AMQPValue::Void,
        ] {
            assert_eq!(count(&value), u32::MAX, "{value:?}");
        }
    }
}
