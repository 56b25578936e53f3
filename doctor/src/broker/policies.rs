//! Policies that lose messages. A policy that an argument of the queue overrides is reported, too, since the precedence differs from key
//! to key. RabbitMQ manual: "Policies", "Time-To-Live and Expiration", "Queue Length Limit", "Quorum Queues".

use std::sync::OnceLock;

use careq_shared::broker::rabbitmq::{Inspection, PartitionQueue};
use careq_shared::broker::{DELIVERY_LIMIT, Queue};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::management::Management;
use super::queues::names;
use crate::report::Finding;

/// The two kinds: path of the API, name, and the command that deletes one.
const KINDS: [(&str, &str, &str); 2] = [
    ("policies", "the policy", "clear_policy"),
    ("operator-policies", "the operator policy", "clear_operator_policy"),
];

/// A policy, as the management API lists it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Policy {
    name: String,
    pattern: String,
    apply_to: String,
    priority: i64,
    definition: Map<String, Value>,
    /// The compiled pattern; `None` if it uses Perl syntax that the regex library lacks.
    #[serde(skip)]
    compiled: OnceLock<Option<Regex>>,
}

pub(crate) async fn examine(management: &Management, broker: &Inspection) -> Vec<Finding> {
    let mut findings = Vec::new();
    let virtual_host = management.virtual_host.as_str();
    for (path, kind, clear) in KINDS {
        let policies: Vec<Policy> = match management.get(&[path, virtual_host]).await {
            Ok(policies) => policies,
            Err(reason) => {
                let seen = format!("the {path} cannot be listed: {reason}");
                let command = format!("rabbitmqctl list_{} -p '{virtual_host}'", path.replace('-', "_"));
                let finding = Finding::not_examined("policies.not_examined", seen);
                findings.push(finding.remedy(format!("look at them with `{command}`")));
                continue;
            }
        };
        for policy in &policies {
            let applies = |queue: &PartitionQueue| policy.may_apply(&broker.name(*queue), &policies);
            let queues: Vec<_> = broker.queues().into_iter().filter(applies).collect();
            let kinds: Vec<_> = queues.iter().map(|queue| queue.queue).collect();
            let Policy { name, pattern, definition, .. } = policy;
            for (key, value) in definition {
                let Some(finding) = lossy(key, value, &kinds) else { continue };
                let names = names(broker, &queues);
                let seen = format!("{kind} `{name}` (pattern {pattern}) sets {key} = {value} for {names}");
                findings.push(Finding { seen, ..finding }.remedy(format!(
                    "rabbitmqctl {clear} -p '{virtual_host}' '{name}'; if other queues need it, give it a pattern that \
                     does not match these"
                )));
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::well("policies.well", "no policy loses messages of careq-sync's queues"));
    }
    findings
}

impl Policy {
    /// RabbitMQ applies the matching policy with the highest priority, and any of several with the same one.
    fn may_apply(&self, queue: &str, all: &[Self]) -> bool {
        let is_certain = |other: &Self| other.priority > self.priority && other.matches(queue) == Some(true);
        self.matches(queue) != Some(false) && !all.iter().any(is_certain)
    }

    /// Whether it matches a queue; `None` if that is unknown.
    fn matches(&self, queue: &str) -> Option<bool> {
        if !["all", "queues", "quorum_queues"].contains(&self.apply_to.as_str()) {
            return Some(false);
        }
        let compiled = self.compiled.get_or_init(|| Regex::new(&self.pattern).ok());
        compiled.as_ref().map(|pattern| pattern.is_match(queue))
    }
}

/// The finding of a key that loses messages of these queues, without the observation.
fn lossy(key: &str, value: &Value, queues: &[Queue]) -> Option<Finding> {
    let error = |code, means| Some(Finding::error(code, "").means(means));
    match key {
        _ if queues.is_empty() => None,
        "message-ttl" => error(
            "policies.message_ttl",
            "older messages are removed unread: from live and bulk they become dead letters, from dead they are lost",
        ),
        "expires" => error(
            "policies.expires",
            "RabbitMQ deletes the queue with all its messages after this time without consumers",
        ),
        // Loses nothing as long as the queue rejects new messages.
        "max-length" | "max-length-bytes" => Some(
            Finding::warning("policies.max_length", "")
                .means("a full queue rejects messages, and webhooks are answered 503"),
        ),
        // Observed on 3.10: it overrides the queue's own x-overflow.
        "overflow" if value != "reject-publish" => error(
            "policies.overflow",
            "it overrides the queues' own `reject-publish`: a full queue drops its oldest messages",
        ),
        "delivery-limit" if cuts_short(value, queues) => error(
            "policies.delivery_limit",
            "RabbitMQ gives up a message sooner than careq-sync expects; in the dead queue it then drops it",
        ),
        "dead-letter-exchange" | "dead-letter-routing-key" | "dead-letter-strategy" => error(
            "policies.dead_letters",
            "if a queue has no argument of its own, messages that RabbitMQ gives up do not reach the dead queue",
        ),
        _ => None,
    }
}

/// Whether the limit is below the declared one. The dead queue declares none.
fn cuts_short(limit: &Value, queues: &[Queue]) -> bool {
    // A limit that is no number is reported.
    let Some(limit) = limit.as_i64() else { return true };
    let is_unlimited = limit < 0;
    !is_unlimited && (queues.contains(&Queue::Dead) || limit < i64::from(DELIVERY_LIMIT))
}
