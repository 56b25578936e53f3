//! The broker that is set, from its opening to its end. What a process does with it must never depend on which one it is.

use std::sync::Arc;

use anyhow::Result;
use careq_shared::broker::embedded::Embedded;
use careq_shared::broker::rabbitmq::RabbitMq;
use careq_shared::broker::{Broker, Depths, Sealing};
use careq_shared::config::{BrokerKind, Config};
use careq_shared::seal::Seal;

/// A broker that is open.
pub(crate) struct OpenBroker {
    kind: Kind,
    /// What is published to, and read from: neither the one nor the other holds a message in clear.
    sealed: Arc<dyn Broker>,
}

enum Kind {
    Embedded(Arc<Embedded>),
    RabbitMq(Arc<RabbitMq>),
}

impl OpenBroker {
    /// Opens the broker that is set. `process` names its connections in RabbitMQ's management pages.
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

    /// What is published to, and read from.
    pub(crate) fn port(&self) -> Arc<dyn Broker> {
        Arc::clone(&self.sealed)
    }

    /// How many messages wait in it.
    pub(crate) fn depths(&self) -> Depths {
        match &self.kind {
            Kind::Embedded(embedded) => embedded.depths(),
            Kind::RabbitMq(rabbitmq) => rabbitmq.depths(),
        }
    }

    /// Says goodbye to RabbitMQ; the embedded one cleans its files.
    pub(crate) async fn close(&self) {
        match &self.kind {
            Kind::Embedded(embedded) => embedded.close().await,
            Kind::RabbitMq(rabbitmq) => rabbitmq.close().await,
        }
    }
}
