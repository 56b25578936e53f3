//! The audit log: every action is recorded with the kernel's user, and changed, removed or inserted entries are
//! detected.

use std::time::Duration;

use careq_shared::entities::{audit_entry, audit_head};
use futures_util::future::join_all;
use sea_orm::{ConnectionTrait as _, DbBackend, EntityTrait as _, QueryOrder as _};
use serde_json::Value;

use crate::harness::{CLINIC, Stack, TOKEN, until_within};

#[tokio::test]
async fn on_the_embedded_default() {
    let extra =
        [("CAREQ_RETENTION_AUDIT_DAYS", "365"), ("CAREQ_RETENTION_SCAN_INTERVAL_S", "1"), ("USER", "meera")];
    let stack = Stack::embedded(&extra).await;
    every_action_has_an_entry(&stack).await;
    tampering_with_the_audit_log_is_detected(&stack).await;
    the_chain_begins_with_the_oldest_kept_entry(&stack).await;
    stack.finish().await;
}

#[tokio::test]
async fn on_postgresql_and_rabbitmq() {
    let stack = Stack::full(0, &[("USER", "meera")]).await;
    every_action_has_an_entry(&stack).await;
    tampering_with_the_audit_log_is_detected(&stack).await;
    stack.finish().await;
}

async fn entries(stack: &Stack) -> Vec<audit_entry::Model> {
    let select = audit_entry::Entity::find().order_by_asc(audit_entry::Column::Sequence);
    select.all(&stack.database.connection).await.unwrap()
}

/// Commands with the action of the entry that each writes.
const ACTIONS: [(&[&str], &str); 13] = [
    (&["clinic", "add", "clinic_new", "--sign"], "add_clinic"),
    (&["clinic", "set", "clinic_new", "webhook-secret"], "set_credential"),
    (&["clinic", "rotate", "clinic_new", "token", "--overlap", "1h"], "rotate_credential"),
    (
        &["clinic", "configure", "clinic_new", "--addresses", "203.0.113.0/24", "--rate-burst", "7"],
        "configure_clinic",
    ),
    (&["clinic", "configure", "clinic_new", "--addresses", "default"], "configure_clinic"),
    (&["clinic", "unset", "clinic_new", "signing-secret"], "unset_credential"),
    (&["clinic", "unset", "clinic_new", "webhook-secret"], "unset_credential"),
    (&["clinic", "disable", "clinic_new"], "disable_clinic"),
    (&["clinic", "disable", "clinic_new"], ""),
    (&["admin", "add", "one", "--role", "operator"], "add_admin"),
    (&["admin", "rotate", "one", "--expires", "30days"], "rotate_admin"),
    (&["admin", "disable", "one"], "disable_admin"),
    (&["reseal"], "reseal"),
];

async fn every_action_has_an_entry(stack: &Stack) {
    let before = entries(stack).await;
    // The clinics of the settings have entries too.
    assert!(
        before
            .iter()
            .all(|entry| (entry.action.as_str(), entry.origin.as_str()) == ("add_clinic", "settings"))
    );
    assert_eq!(before.len(), 2);
    let mut printed = String::new();
    for (act, _) in ACTIONS {
        printed += &stack.command(act, &[]).await;
    }
    // A refused command writes no entry.
    stack.failing_command(&["clinic", "unset", "clinic_new", "token"], &[]).await;
    stack.failing_command(&["admin", "add", "two", "--role", "reader", "--expires", "2years"], &[]).await;
    let written = entries(stack).await.split_off(before.len());
    let actions: Vec<_> = written.iter().map(|entry| entry.action.as_str()).collect();
    let expected: Vec<_> =
        ACTIONS.iter().map(|(_, action)| *action).filter(|action| !action.is_empty()).collect();
    assert_eq!(actions, expected);
    let secrets: Vec<_> =
        printed.split_whitespace().filter(|word| word.starts_with("careq") && word.len() > 40).collect();
    assert_eq!(secrets.len(), 6, "{printed}");
    for entry in &written {
        assert!(entry.actor.contains("uid ") && !entry.actor.contains("meera"), "{}", entry.actor);
        assert!(
            secrets.iter().chain(&[TOKEN]).all(|secret| !entry.details.contains(secret)),
            "{}",
            entry.details
        );
        let details: Value = serde_json::from_str(&entry.details).unwrap();
        let named = match entry.action.as_str() {
            "reseal" => details["key"] == "test",
            action if action.ends_with("admin") => details["admin"] == "one",
            _ => details["clinic_id"] == "clinic_new",
        };
        assert!(named, "{} {details}", entry.action);
    }
    assert!(written[3].details.contains("203.0.113.0/24") && written[5].details.contains("signing_secret"));

    let burst = |burst: u32| async move {
        let burst = burst.to_string();
        stack.command(&["clinic", "configure", CLINIC, "--rate-burst", &burst], &[]).await
    };
    join_all((1..=6).map(burst)).await;
    let verified: Value =
        serde_json::from_str(&stack.command(&["audit", "verify", "--json"], &[]).await).unwrap();
    let all = entries(stack).await;
    assert_eq!((&verified["entries"], &verified["broken"]), (&all.len().into(), &Value::Null), "{verified}");
    assert_eq!(verified["digest"].as_str(), all.last().unwrap().digest.as_deref());
    let is_next =
        |pair: &[audit_entry::Model]| pair[0].sequence < pair[1].sequence && pair[0].at < pair[1].at;
    assert!(all.windows(2).all(is_next));
}

/// Each manipulation is made, detected and undone.
async fn tampering_with_the_audit_log_is_detected(stack: &Stack) {
    let all = entries(stack).await;
    let last = all.last().unwrap().sequence.unwrap();
    let id = match stack.database.connection.get_database_backend() {
        DbBackend::Sqlite => "x'00000000000000000000000000000001'",
        _ => "'00000000-0000-0000-0000-000000000001'::uuid",
    };
    let copied = &format!(
        "INSERT INTO audit_log (id, at, actor, origin, action, details, sequence, previous, digest)
        SELECT {id}, at, 'another', origin, action, details,"
    );
    for (change, found) in [
        (
            "UPDATE audit_log SET actor = 'another' WHERE sequence = 3".to_owned(),
            "entry 3 (add_clinic by another".to_owned(),
        ),
        (
            "UPDATE audit_log SET details = '{}' WHERE sequence = 4".to_owned(),
            "entry 4 (set_credential".to_owned(),
        ),
        (
            "DELETE FROM audit_log WHERE sequence IN (4, 5)".to_owned(),
            "the entries from 4 to 5 are missing".to_owned(),
        ),
        (
            "DELETE FROM audit_log WHERE sequence = 1".to_owned(),
            "the entries from 1 to 1 are missing".to_owned(),
        ),
        (
            format!("DELETE FROM audit_log WHERE sequence >= {last}"),
            format!("the entries from {last} to {last} are missing"),
        ),
        ("DELETE FROM audit_log".to_owned(), format!("the entries from 1 to {last} are missing")),
        (
            format!("{copied} {}, previous, digest FROM audit_log WHERE sequence = 3", last + 1),
            format!("entry {} (add_clinic by another", last + 1),
        ),
        (
            format!("{copied} NULL, previous, digest FROM audit_log WHERE sequence = 3"),
            "some were inserted".to_owned(),
        ),
        (
            format!("{copied} 0, previous, digest FROM audit_log WHERE sequence = 3"),
            "entry 0 (add_clinic by another".to_owned(),
        ),
    ] {
        stack.database.connection.execute_unprepared(&change).await.unwrap();
        let printed = stack.failing_command(&["audit", "verify"], &[]).await;
        assert!(printed.contains(&found), "{change}: {printed}");
        stack.database.connection.execute_unprepared("DELETE FROM audit_log").await.unwrap();
        let rows =
            all.iter().cloned().map(audit_entry::ActiveModel::from).map(sea_orm::ActiveModelTrait::reset_all);
        audit_entry::Entity::insert_many(rows)
            .exec_without_returning(&stack.database.connection)
            .await
            .unwrap();
        stack.command(&["audit", "verify"], &[]).await;
    }
}

async fn the_chain_begins_with_the_oldest_kept_entry(stack: &Stack) {
    let database = &stack.database.connection;
    database
        .execute_unprepared("UPDATE audit_log SET at = '2001-01-01T00:00:00+00:00' WHERE sequence <= 3")
        .await
        .unwrap();
    until_within(Duration::from_secs(20), "the oldest entries are deleted", || async {
        let head = audit_head::Entity::find().one(database).await.unwrap().unwrap();
        (head.first == 4).then_some(())
    })
    .await;
    let verified = stack.command(&["audit", "verify"], &[]).await;
    assert!(verified.contains("entries verified"), "{verified}");
    database.execute_unprepared("DELETE FROM audit_log WHERE sequence = 4").await.unwrap();
    let printed = stack.failing_command(&["audit", "verify"], &[]).await;
    assert!(printed.contains("the entries from 4 to 4 are missing"), "{printed}");
}
