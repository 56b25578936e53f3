//! The writing side of the audit log. An entry is committed in the transaction of the action that it records. Each
//! entry holds a digest over itself and over the entry before it. Entries of all processes form one sequence, are
//! never changed, and hold neither secrets nor patients' data.

use chrono::TimeDelta;
use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{
    ColumnTrait as _, DatabaseTransaction, DbErr, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QuerySelect as _,
};
use serde_json::Value;
use uuid::Uuid;

use crate::entities::{audit_entry, audit_head};
use crate::{canonical, clock, words};

words! {
    /// The interface through which an actor acted.
    Origin {
        /// `careq-sync dead-letters …` and other commands.
        CommandLine = "command_line",
        /// The admin API.
        Api = "api",
        /// A process at its start, from the setting `clinics`.
        Settings = "settings",
    }
}

words! {
    /// The kind of an audited action.
    #[expect(missing_docs, reason = "the words say what was done")]
    Action {
        Reveal = "reveal",
        Discard = "discard",
        Reopen = "reopen",
        Correct = "correct",
        Replay = "replay",
        Pause = "pause",
        Resume = "resume",
        Cancel = "cancel",
        AddAdmin = "add_admin",
        RotateAdmin = "rotate_admin",
        DisableAdmin = "disable_admin",
        AddClinic = "add_clinic",
        ConfigureClinic = "configure_clinic",
        DisableClinic = "disable_clinic",
        SetCredential = "set_credential",
        RotateCredential = "rotate_credential",
        UnsetCredential = "unset_credential",
        /// Values sealed under other keys were sealed under the current key.
        Reseal = "reseal",
    }
}

/// The person or process that acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user of the machine, or the name of an admin's token.
    pub name: String,
    /// The interface.
    pub origin: Origin,
}

impl Actor {
    /// The user of the machine on whose behalf this process acts. It comes from the kernel, because the caller
    /// controls the names in the environment.
    pub fn process_user(origin: Origin) -> Self {
        let uid = rustix::process::getuid().as_raw();
        // The login user, which `sudo` does not change (proc_pid_loginuid(5)).
        let login =
            std::fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
        let login = login.filter(|login| ![uid, u32::MAX].contains(login));
        let login = login.map_or_else(String::new, |login| format!(", logged in as {}", user(login)));
        Self { name: format!("{}{login}", user(uid)), origin }
    }
}

/// The name of a user in `/etc/passwd`, with its number.
fn user(uid: u32) -> String {
    let named = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    };
    // Without the file, the user is named by number alone.
    let users = std::fs::read_to_string("/etc/passwd").ok();
    let name = users.and_then(|users| users.lines().find_map(named));
    name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}

/// An action to be audited.
#[derive(Debug)]
pub struct Deed {
    /// The id of the entry.
    pub id: Uuid,
    /// The kind of action.
    pub action: Action,
    /// The dead letter, if the action is on one.
    pub letter_id: Option<Uuid>,
    /// The replay job, if the action is on one.
    pub job_id: Option<Uuid>,
    /// The number of dead letters, if the action is on several.
    pub letters: Option<u64>,
    /// The reason, the clinic, and other details.
    pub details: Value,
}

impl Deed {
    /// An action with a new id and no details.
    pub fn new(action: Action) -> Self {
        let id = Uuid::new_v4();
        Self { id, action, letter_id: None, job_id: None, letters: None, details: Value::Null }
    }
}

/// Writes an entry. Until the transaction ends, other writers of entries wait.
///
/// # Errors
/// The database's own error.
pub async fn note(transaction: &DatabaseTransaction, actor: &Actor, deed: Deed) -> Result<(), DbErr> {
    let head = audit_head::Entity::find().lock(LockType::Update).one(transaction).await?;
    let head = head.ok_or_else(|| DbErr::RecordNotFound("audit_head has no row".to_owned()))?;
    // Timestamps rise with the sequence numbers, even if the clocks of the processes differ.
    let at = clock::now().max(head.at + TimeDelta::microseconds(1));
    let letters = deed.letters.map(i32::try_from).transpose();
    let letters =
        letters.map_err(|_| DbErr::Type("an entry counts at most 2147483647 letters".to_owned()))?;
    let mut entry = audit_entry::Model {
        id: deed.id,
        at,
        actor: actor.name.clone(),
        origin: actor.origin.as_str().to_owned(),
        action: deed.action.as_str().to_owned(),
        letter_id: deed.letter_id,
        job_id: deed.job_id,
        letters,
        details: deed.details.to_string(),
        sequence: Some(head.sequence + 1),
        previous: Some(head.digest),
        digest: None,
    };
    let digest = digest(&entry);
    entry.digest = Some(digest.clone());
    audit_entry::Entity::insert(entry.into_active_model()).exec_without_returning(transaction).await?;
    audit_head::Entity::update_many()
        .col_expr(audit_head::Column::Sequence, Expr::value(head.sequence + 1))
        .col_expr(audit_head::Column::Digest, Expr::value(digest))
        .col_expr(audit_head::Column::At, Expr::value(at))
        .filter(audit_head::Column::Id.eq(head.id))
        .exec(transaction)
        .await
        .map(drop)
}

/// The digest of an entry: over its fields, its sequence number, and the digest before it.
pub fn digest(entry: &audit_entry::Model) -> String {
    fn or_none(value: Option<impl std::fmt::Display>) -> String {
        value.map_or_else(|| "-".to_owned(), |value| format!("={value}"))
    }
    canonical::sha256_hex(&[
        or_none(entry.sequence).as_bytes(),
        or_none(entry.previous.as_ref()).as_bytes(),
        entry.id.to_string().as_bytes(),
        entry.at.timestamp_micros().to_string().as_bytes(),
        entry.actor.as_bytes(),
        entry.origin.as_bytes(),
        entry.action.as_bytes(),
        or_none(entry.letter_id).as_bytes(),
        or_none(entry.job_id).as_bytes(),
        or_none(entry.letters).as_bytes(),
        entry.details.as_bytes(),
    ])
}
