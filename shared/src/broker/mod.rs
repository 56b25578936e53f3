//! The message broker: a port, RabbitMQ, and the embedded queue. Both brokers pass one contract suite.

pub mod embedded;
pub mod partition;
pub mod rabbitmq;

pub(crate) mod port;
mod sealing;

pub use port::{
    Assignment, BatchLimit, Broker, Consumer, DELIVERY_LIMIT, Delivery, MAX_MESSAGE_BYTES, Mailbox, NotAcked,
    PublishError, Queue, Ready,
};
pub use sealing::Sealing;
