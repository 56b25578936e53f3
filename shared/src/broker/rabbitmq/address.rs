//! What `broker.url` names, for those who speak with RabbitMQ beside AMQP. The password must never be shown.

use lapin::uri::AMQPScheme;
use secrecy::SecretString;

use super::link::{self, LinkError};
use crate::config::BrokerConfig;

/// A RabbitMQ, and whom it is used as.
#[derive(Debug, Clone)]
pub struct Address {
    /// The server.
    pub host: String,
    /// Where it speaks AMQP.
    pub port: u16,
    /// Whether that is over TLS.
    pub is_encrypted: bool,
    /// The virtual host.
    pub virtual_host: String,
    /// The user.
    pub user: String,
    /// Its password.
    pub password: SecretString,
}

impl Address {
    /// Reads `broker.url`.
    ///
    /// # Errors
    /// It is no AMQP URL.
    pub fn of(config: &BrokerConfig) -> Result<Self, LinkError> {
        let uri = link::uri(config)?;
        Ok(Self {
            host: uri.authority.host,
            port: uri.authority.port,
            is_encrypted: uri.scheme == AMQPScheme::AMQPS,
            virtual_host: uri.vhost,
            user: uri.authority.userinfo.username,
            password: uri.authority.userinfo.password.into(),
        })
    }
}
