//! The configured broker: RabbitMQ or the embedded queue. A process uses both through the same trait.

use std::sync::Arc;

use anyhow::Result;
use careq_shared::broker::embedded::Embedded;
use careq_shared::broker::rabbitmq::RabbitMq;
use careq_shared::broker::{Broker, Depths, Sealing};
use careq_shared::config::{BrokerKind, Config};
use careq_shared::seal::Seal;

/// An open broker.
pub(crate) struct OpenBroker {
    kind: Kind,
    /// The broker behind the encryption of messages.
    sealed: Arc<dyn Broker>,
}

enum Kind {
    Embedded(Arc<Embedded>),
    RabbitMq(Arc<RabbitMq>),
}

impl OpenBroker {
    /// Opens the configured broker. RabbitMQ's management UI shows `process` as the name of the connection.
    pub(crate) async fn open(config: &Config, seal: &Arc<Seal>, process: &str) -> Result<Self> {
        let kind = match config.broker.kind() {
            BrokerKind::Embedded => Kind::Embedded(Arc::new(Embedded::open(&config.data.dir).await?)),
            BrokerKind::RabbitMq => {
                let name = format!("careq-sync {process}");
                Kind::RabbitMq(Arc::new(RabbitMq::connect(&config.broker, &name).await?))
            }
        };
        let broker: Arc<dyn Broker> = match &kind {
            Kind::Embedded(embedded) => Arc::clone(embedded) as _,
            Kind::RabbitMq(rabbitmq) => Arc::clone(rabbitmq) as _,
        };
        Ok(Self { kind, sealed: Arc::new(Sealing::new(broker, Arc::clone(seal))) })
    }

    /// The broker, with encrypted messages.
    pub(crate) fn port(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.sealed)
    }

    /// The depths of the queues.
    pub(crate) fn depths(&self) -> Depths {
        match &self.kind {
            Kind::Embedded(embedded) => embedded.depths(),
            Kind::RabbitMq(rabbitmq) => rabbitmq.depths(),
        }
    }

    /// Closes the connections to RabbitMQ, or cleans up the files of the embedded queue.
    pub(crate) async fn close(&self) {
        match &self.kind {
            Kind::Embedded(embedded) => embedded.close().await,
            Kind::RabbitMq(rabbitmq) => rabbitmq.close().await,
        }
    }
}
