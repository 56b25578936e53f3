//! The connection to the broker, with the reason if it fails.

pub(crate) mod management;
pub(crate) mod message;
pub(crate) mod policies;
pub(crate) mod queues;

use careq_shared::broker::rabbitmq::{Address, Inspection, Refusal};
use careq_shared::config::{BrokerKind, Config};

use crate::report::{Finding, Reached};

/// The consequence of an unreachable broker.
const UNREACHABLE: &str =
    "webhooks are answered 503, and nothing is accepted; the examinations that need the broker were skipped";

pub(crate) async fn reach(config: &Config) -> Reached<Inspection> {
    if config.broker.kind() == BrokerKind::Embedded {
        let seen = "the queue is in the data folder; RabbitMQ is not used";
        return (vec![Finding::well("broker.embedded", seen)], None);
    }
    let address = match Address::from_config(&config.broker) {
        Ok(address) => address,
        Err(fault) => {
            let finding = Finding::error("broker.url", fault.to_string());
            return (vec![finding.means(UNREACHABLE).remedy("correct broker.url (CAREQ_BROKER_URL)")], None);
        }
    };
    let at = format!("RabbitMQ at {}:{}", address.host, address.port);
    match Inspection::open(&config.broker).await {
        Ok(inspection) => {
            (vec![Finding::well("broker.reached", format!("{at} accepts the login"))], Some(inspection))
        }
        Err(refusal) => (vec![refused(&at, &address, &refusal)], None),
    }
}

fn refused(at: &str, Address { user, virtual_host, .. }: &Address, refusal: &Refusal) -> Finding {
    let (code, seen, remedy) = match refusal {
        Refusal::Silent => (
            "broker.silent",
            "does not answer".to_owned(),
            "check whether RabbitMQ hangs, or a firewall drops packets: the address accepts connections, and nothing \
             answers"
                .to_owned(),
        ),
        Refusal::Forbidden(words) => (
            "broker.login_refused",
            format!("refuses the user {user}: {words}"),
            format!(
                "check user and password in broker.url (CAREQ_BROKER_URL); `rabbitmqctl authenticate_user {user}` tests \
                 them"
            ),
        ),
        Refusal::VirtualHost(words) => (
            "broker.virtual_host_refused",
            format!("does not open the virtual host: {words}"),
            format!(
                "name the right one in broker.url (CAREQ_BROKER_URL); or `rabbitmqctl add_vhost {virtual_host}`, \
                 and `rabbitmqctl set_permissions -p {virtual_host} {user} '.*' '.*' '.*'`"
            ),
        ),
        Refusal::Other(words) => (
            "broker.unreachable",
            format!("cannot be used: {words}"),
            "check that RabbitMQ runs, and check host and port in broker.url (CAREQ_BROKER_URL)".to_owned(),
        ),
    };
    Finding::error(code, format!("{at} {seen}")).means(UNREACHABLE).remedy(remedy)
}
