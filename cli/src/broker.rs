//! The configured broker: RabbitMQ or the embedded queue. A process uses both through the same trait.

use std::sync::Arc;

use anyhow::Result;
use careq_shared::broker::embedded::Embedded;
use careq_shared::broker::rabbitmq::RabbitMq;
use careq_shared::broker::{Broker, Sealing};
use careq_shared::config::{BrokerKind, Config};
use careq_shared::seal::Seal;

/// Opens the configured broker, with encrypted messages. RabbitMQ's management UI shows `process` as the name of the connection.
pub(crate) async fn open(config: &Config, seal: &Arc<Seal>, process: &str) -> Result<Arc<dyn Broker>> {
    let broker: Arc<dyn Broker> = match config.broker.kind() {
        BrokerKind::Embedded => Arc::new(Embedded::open(&config.data.dir).await?),
        BrokerKind::RabbitMq => {
            Arc::new(RabbitMq::connect(&config.broker, &format!("careq-sync {process}")).await?)
        }
    };
    Ok(Arc::new(Sealing::new(broker, Arc::clone(seal))))
}
