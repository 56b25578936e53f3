//! The broker that is set, from its opening to its end. What a process does with it must never depend on which one it is.

use std::sync::Arc;

use anyhow::Result;
use careq_shared::broker::embedded::Embedded;
use careq_shared::broker::rabbitmq::RabbitMq;
use careq_shared::broker::{Broker, Depths};
use careq_shared::config::{BrokerKind, Config};

/// A broker that is open.
pub(crate) enum OpenBroker {
    Embedded(Arc<Embedded>),
    RabbitMq(Arc<RabbitMq>),
}

impl OpenBroker {
    /// Opens the broker that is set. `process` names its connections in RabbitMQ's management pages.
    pub(crate) async fn open(config: &Config, process: &str) -> Result<Self> {
        Ok(match config.broker.kind() {
            BrokerKind::Embedded => Self::Embedded(Arc::new(Embedded::open(&config.data.dir).await?)),
            BrokerKind::RabbitMq => {
                let name = format!("careq-sync {process}");
                Self::RabbitMq(Arc::new(RabbitMq::connect(&config.broker, &name).await?))
            }
        })
    }

    /// What is published to, and read from.
    pub(crate) fn port(&self) -> Arc<dyn Broker> {
        match self {
            Self::Embedded(embedded) => Arc::clone(embedded) as _,
            Self::RabbitMq(rabbitmq) => Arc::clone(rabbitmq) as _,
        }
    }

    /// How many messages wait in it.
    pub(crate) fn depths(&self) -> Depths {
        match self {
            Self::Embedded(embedded) => embedded.depths(),
            Self::RabbitMq(rabbitmq) => rabbitmq.depths(),
        }
    }

    /// Says goodbye; the embedded one has nobody to say it to.
    pub(crate) async fn close(&self) {
        match self {
            Self::Embedded(_) => {}
            Self::RabbitMq(rabbitmq) => rabbitmq.close().await,
        }
    }
}
