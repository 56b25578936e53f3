//! The broker port: what the ingress and the workers ask of a broker, and nothing of how it does it. RabbitMQ and the
//! embedded queue stand behind it and pass one contract suite. It must never grow past five methods.

pub mod embedded;
pub mod rabbitmq;

mod depths;
pub(crate) mod port;
mod sealing;

pub use depths::Depths;
pub use port::{
    BatchLimit, Broker, Consumer, DELIVERY_LIMIT, Delivery, MAX_MESSAGE_BYTES, Mailbox, NotAcked,
    PublishError, Queue,
};
pub use sealing::Sealing;
