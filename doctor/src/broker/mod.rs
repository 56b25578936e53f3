//! The connection to the broker, with the reason if it fails.

pub(crate) mod management;
pub(crate) mod message;
pub(crate) mod policies;
pub(crate) mod queues;

use careq_shared::broker::rabbitmq::{Address, Inspection, Refusal};
use careq_shared::config::{BrokerKind, Config};

use crate::finding::Finding;
use crate::report::Reached;

/// The consequence of an unreachable broker.
const UNREACHABLE: &str =
    "webhooks are answered 503, and nothing is accepted; the examinations that need the broker were skipped";

pub(crate) async fn reach(config: &Config) -> Reached<Inspection> {
    if config.broker.kind() == BrokerKind::Embedded {
        return (
            vec![Finding::well("broker.embedded", "the queue is in the data folder; there is no RabbitMQ")],
            None,
        );
    }
    let address = match Address::of(&config.broker) {
        Ok(address) => address,
        Err(fault) => {
            let finding = Finding::error("broker.url", fault.to_string());
            return (vec![finding.means(UNREACHABLE).remedy("fix broker.url (CAREQ_BROKER_URL)")], None);
        }
    };
    match Inspection::open(&config.broker).await {
        Ok(inspection) => {
            let seen = format!("RabbitMQ at {} accepts the login", at(&address));
            (vec![Finding::well("broker.reached", seen)], Some(inspection))
        }
        Err(refusal) => (vec![refused(&address, &refusal)], None),
    }
}

fn at(address: &Address) -> String {
    format!("{}:{}", address.host, address.port)
}

fn refused(address: &Address, refusal: &Refusal) -> Finding {
    let Address { user, virtual_host, .. } = address;
    let at = at(address);
    match refusal {
        Refusal::Silent => Finding::error("broker.silent", format!("RabbitMQ at {at} does not answer")).remedy(
            "check whether RabbitMQ hangs, or a firewall swallows the packets: connections are accepted there, but \
             nothing responds",
        ),
        Refusal::Forbidden(words) => {
            Finding::error("broker.login_refused", format!("RabbitMQ at {at} does not let {user} in: {words}"))
                .remedy(format!("check user and password in broker.url (CAREQ_BROKER_URL); `rabbitmqctl authenticate_user {user}` \
                                 tries them"))
        }
        Refusal::VirtualHost(words) => {
            Finding::error("broker.virtual_host_refused", format!("RabbitMQ at {at} does not open the virtual host: {words}"))
                .remedy(format!(
                    "name the right one in broker.url (CAREQ_BROKER_URL); or `rabbitmqctl add_vhost {virtual_host}`, \
                     and `rabbitmqctl set_permissions -p {virtual_host} {user} '.*' '.*' '.*'`"
                ))
        }
        Refusal::Other(words) => {
            Finding::error("broker.unreachable", format!("RabbitMQ at {at} cannot be used: {words}"))
                .remedy("check that RabbitMQ runs and that broker.url (CAREQ_BROKER_URL) names its host and port")
        }
    }
    .means(UNREACHABLE)
}
