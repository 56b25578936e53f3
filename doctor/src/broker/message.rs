//! A test message through a queue of its own. It shows the three permissions of the user, and whether RabbitMQ accepts messages.

use careq_shared::broker::rabbitmq::{Address, Inspection, Refusal, Stuck};
use careq_shared::config::Config;

use crate::report::Finding;

pub(crate) async fn examine(broker: &Inspection, config: &Config) -> Vec<Finding> {
    vec![match broker.round_trip().await {
        Ok(()) => Finding::well("message.well", "RabbitMQ confirmed a message and delivered it"),
        Err(Stuck::Blocked) => Finding::error(
            "message.blocked",
            "RabbitMQ accepts no messages: an alarm is active",
        )
        .means("webhooks are answered 503 until RabbitMQ has memory and disk space again")
        .remedy(
            "`rabbitmq-diagnostics alarms` names the alarm: free disk space, add memory, or start workers to \
                     empty the queues",
        ),
        Err(Stuck::Forbidden(right, words)) => {
            let (user, virtual_host) = Address::from_config(&config.broker).map_or_else(
                |_| ("USER".to_owned(), "/".to_owned()),
                |address| (address.user, address.virtual_host),
            );
            let seen = format!("the user {user} lacks the permission to {right}: {words}");
            Finding::error("message.forbidden", seen)
                .means(
                    "careq-sync configures, writes and reads queues and mailboxes whose names begin with broker.prefix, \
                     and publishes to the default exchange",
                )
                .remedy(format!(
                    "rabbitmqctl set_permissions -p '{virtual_host}' '{user}' '.*' '.*' '.*', or narrower patterns"
                ))
        }
        Err(Stuck::Other(refusal)) => {
            let words = match refusal {
                Refusal::Silent => "no answer in time".to_owned(),
                Refusal::Forbidden(words) | Refusal::VirtualHost(words) | Refusal::Other(words) => words,
            };
            Finding::error("message.stuck", format!("a message does not pass: {words}"))
                .means("webhooks may be answered 503")
                .remedy(
                    "check the broker's log, `rabbitmq-diagnostics check_alarms` and `rabbitmq-diagnostics \
                     cluster_status`",
                )
        }
    }]
}
