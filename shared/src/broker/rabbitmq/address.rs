//! The parts of `broker.url`, for clients that use RabbitMQ over another protocol than AMQP.

use lapin::uri::AMQPScheme;
use secrecy::SecretString;

use super::link::{self, LinkError};
use crate::config::BrokerConfig;

/// The address of a RabbitMQ, and the login.
#[derive(Debug, Clone)]
pub struct Address {
    /// The host.
    pub host: String,
    /// The AMQP port.
    pub port: u16,
    /// Whether AMQP uses TLS.
    pub is_encrypted: bool,
    /// The virtual host.
    pub virtual_host: String,
    /// The user.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

impl Address {
    /// Parses `broker.url`.
    ///
    /// # Errors
    /// It is not an AMQP URL.
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
