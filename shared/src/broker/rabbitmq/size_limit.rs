//! The maximum size of a message that RabbitMQ takes (`max_message_size`), as a refusal reveals it.

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};

/// RabbitMQ's limit, if a message was refused for it. RabbitMQ closes the channel then, and every message in flight fails. Larger
/// messages are therefore refused here, until the channel is lost for another reason: RabbitMQ may then have another limit.
#[derive(Debug, Default)]
pub(super) struct SizeLimit(Option<usize>);

impl SizeLimit {
    /// `PRECONDITION_FAILED - message size 16900000 is larger than configured max size 16777216`
    pub(super) fn learn(&mut self, fault: &lapin::Error) {
        let ErrorKind::ProtocolError(fault) = fault.kind() else { return };
        let is_of_size = fault.kind() == &AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)
            && fault.get_message().as_str().contains("message size");
        let last = fault.get_message().as_str().rsplit(' ').next().and_then(|word| word.parse().ok());
        self.0 = last.filter(|_| is_of_size);
    }

    pub(super) fn holds(&self, bytes: usize) -> bool {
        self.0.is_none_or(|max_bytes| bytes <= max_bytes)
    }
}
