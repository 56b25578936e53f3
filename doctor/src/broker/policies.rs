//! Policies that lose messages. A policy that an argument of the queue overrides is reported, too, since the precedence differs from key
//! to key. RabbitMQ manual: "Policies", "Time-To-Live and Expiration", "Queue Length Limit", "Quorum Queues".

use careq_shared::broker::rabbitmq::Inspection;
use careq_shared::broker::{DELIVERY_LIMIT, Queue};
use regex::Regex;
use serde_json::{Map, Value};

use super::management::Management;
use crate::finding::{Finding, Verdict};

/// The two kinds: path of the API, name, and the command that deletes one.
const KINDS: [(&str, &str, &str); 2] = [
    ("policies", "the policy", "clear_policy"),
    ("operator-policies", "the operator policy", "clear_operator_policy"),
];

/// The code of a length limit, which loses nothing as long as the queue rejects new messages.
const MAX_LENGTH: &str = "policies.max_length";

/// A policy that applies to some of our queues.
struct Policy {
    kind: &'static str,
    clear: &'static str,
    name: String,
    pattern: String,
    definition: Map<String, Value>,
    queues: Vec<Queue>,
}

pub(crate) async fn examine(management: &Management, broker: &Inspection) -> Vec<Finding> {
    let mut findings = Vec::new();
    let virtual_host = management.virtual_host.as_str();
    for (path, kind, clear) in KINDS {
        match management.get(&[path, virtual_host]).await {
            Ok(listed) => {
                let applied = applied((kind, clear), &listed, broker);
                findings.extend(applied.iter().flat_map(|policy| judged(policy, virtual_host, broker)));
            }
            Err(reason) => findings.push(
                Finding::not_examined(
                    "policies.not_examined",
                    format!("the {path} cannot be listed: {reason}"),
                )
                .remedy(format!(
                    "look at them with `rabbitmqctl list_{} -p '{virtual_host}'`",
                    path.replace('-', "_")
                )),
            ),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::well("policies.well", "no policy loses messages of our queues"));
    }
    findings
}

/// The policies that may apply to our queues. RabbitMQ applies the matching policy with the highest priority, and any of several with the
/// same one. So each policy may apply whose priority is at least that of the certain matches.
fn applied((kind, clear): (&'static str, &'static str), listed: &Value, broker: &Inspection) -> Vec<Policy> {
    let listed = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    let priority = |policy: &Value| policy["priority"].as_i64().unwrap_or_default();
    let chosen = Queue::ALL.map(|queue| {
        let fit = listed.iter().map(|policy| fit(policy, &broker.name(queue))).collect::<Vec<_>>();
        let certain = listed.iter().zip(&fit).filter(|(_, fit)| **fit == Fit::Certain);
        let least = certain.map(|(policy, _)| priority(policy)).max();
        let may_apply = |at: &usize| {
            fit.get(*at) != Some(&Fit::None)
                && least.is_none_or(|least| listed.get(*at).is_some_and(|policy| priority(policy) >= least))
        };
        (queue, (0..listed.len()).filter(may_apply).collect::<Vec<_>>())
    });
    let policy = |(at, policy): (usize, &Value)| Policy {
        kind,
        clear,
        name: policy["name"].as_str().unwrap_or_default().to_owned(),
        pattern: policy["pattern"].as_str().unwrap_or_default().to_owned(),
        definition: policy["definition"].as_object().cloned().unwrap_or_default(),
        queues: chosen.iter().filter(|(_, chosen)| chosen.contains(&at)).map(|(queue, _)| *queue).collect(),
    };
    listed.iter().enumerate().map(policy).filter(|policy| !policy.queues.is_empty()).collect()
}

/// Whether a policy matches a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    None,
    /// Unknown: the pattern is missing, or uses Perl syntax that the regex library lacks.
    Perhaps,
    Certain,
}

fn fit(policy: &Value, queue: &str) -> Fit {
    if !matches!(policy["apply-to"].as_str(), None | Some("all" | "queues" | "quorum_queues")) {
        return Fit::None;
    }
    let Some(pattern) = policy["pattern"].as_str() else { return Fit::Perhaps };
    match Regex::new(pattern) {
        Ok(pattern) if pattern.is_match(queue) => Fit::Certain,
        Ok(_) => Fit::None,
        Err(_) => Fit::Perhaps,
    }
}

fn judged(policy: &Policy, virtual_host: &str, broker: &Inspection) -> Vec<Finding> {
    let finding = |(key, value): (&String, &Value)| {
        let (code, means) = lossy(key, value, &policy.queues)?;
        let verdict = if code == MAX_LENGTH { Verdict::Warning } else { Verdict::Error };
        let Policy { kind, clear, name, pattern, .. } = policy;
        let queues = policy.queues.iter().map(|queue| broker.name(*queue)).collect::<Vec<_>>().join(", ");
        let seen = format!("{kind} `{name}` (pattern {pattern}) sets {key} = {value} for {queues}");
        let remedy = format!(
            "rabbitmqctl {clear} -p '{virtual_host}' '{name}'; where other queues need it, give it a pattern \
             that leaves ours out"
        );
        Some(Finding { verdict, ..Finding::error(code, seen) }.means(means).remedy(remedy))
    };
    policy.definition.iter().filter_map(finding).collect()
}

/// The code of a key that loses messages, with its consequence.
fn lossy(key: &str, value: &Value, queues: &[Queue]) -> Option<(&'static str, &'static str)> {
    match key {
        "message-ttl" => Some((
            "policies.message_ttl",
            "what is older is taken out unread: out of live and bulk it comes back as a dead letter, out of \
             dead it is lost",
        )),
        "expires" => Some((
            "policies.expires",
            "RabbitMQ deletes the queue with all its messages after this time without consumers",
        )),
        "max-length" | "max-length-bytes" => {
            Some((MAX_LENGTH, "a full queue rejects messages, and webhooks are answered 503"))
        }
        // Seen on 3.10: it overrules the queue's own x-overflow.
        "overflow" if value != "reject-publish" => Some((
            "policies.overflow",
            "it overrules that our queues refuse when they are full: RabbitMQ drops the oldest messages instead",
        )),
        "delivery-limit" if cuts_short(value, queues) => Some((
            "policies.delivery_limit",
            "RabbitMQ gives up on a message sooner than careq-sync expects; in the dead queue it then \
             drops it",
        )),
        "dead-letter-exchange" | "dead-letter-routing-key" | "dead-letter-strategy" => Some((
            "policies.dead_letters",
            "where a queue has no argument of its own, what RabbitMQ gives up on goes elsewhere than into our \
             dead queue, or is lost",
        )),
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
