//! The audit log's writing side: an entry is committed in the transaction of what it speaks of, and bears a digest over itself and the
//! entry before it. Entries are written one after the other, whoever writes them; one is never changed, and never holds a secret or a
//! patient's data.

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
    /// Where somebody acted.
    Origin {
        /// `careq-sync dead-letters …` and the like.
        CommandLine = "command_line",
        /// The admin API.
        Api = "api",
        /// A process at its start, as `clinics` of its settings says.
        Settings = "settings",
    }
}

words! {
    /// What was done.
    Action {
        /// A payload was shown.
        Reveal = "reveal",
        /// Letters were discarded.
        Discard = "discard",
        /// Letters that were discarded or superseded were opened again.
        Reopen = "reopen",
        /// A letter was corrected.
        Correct = "correct",
        /// A replay job was made.
        Replay = "replay",
        /// A replay job was paused.
        Pause = "pause",
        /// A replay job was resumed.
        Resume = "resume",
        /// A replay job was cancelled.
        Cancel = "cancel",
        /// An admin was made.
        AddAdmin = "add_admin",
        /// An admin got a new token.
        RotateAdmin = "rotate_admin",
        /// An admin was disabled.
        DisableAdmin = "disable_admin",
        /// A clinic was made, with its first secrets.
        AddClinic = "add_clinic",
        /// What holds for one clinic was changed: its rate, its addresses.
        ConfigureClinic = "configure_clinic",
        /// A clinic was disabled.
        DisableClinic = "disable_clinic",
        /// A clinic is asked for one more secret.
        SetCredential = "set_credential",
        /// A clinic got a new secret; the old ones end.
        RotateCredential = "rotate_credential",
        /// A clinic is no longer asked for a secret.
        UnsetCredential = "unset_credential",
        /// What was sealed under another key is sealed under the current one.
        Reseal = "reseal",
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A user of the machine, or the name of a token.
    pub name: String,
    /// Where.
    pub origin: Origin,
}

impl Actor {
    /// The user of the machine that this process acts for, as the kernel knows it: names in the environment are whatever the caller set.
    #[must_use]
    pub fn of_process(origin: Origin) -> Self {
        let uid = rustix::process::getuid().as_raw();
        // Who logged in, whom `sudo` does not change (proc_pid_loginuid(5)).
        let login =
            std::fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
        let login = login.filter(|login| ![uid, u32::MAX].contains(login));
        let login = login.map_or_else(String::new, |login| format!(", logged in as {}", user(login)));
        Self { name: format!("{}{login}", user(uid)), origin }
    }
}

/// A user by number, with the name that `/etc/passwd` has for it.
fn user(uid: u32) -> String {
    let named = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    };
    // Without the file, the number alone names the user.
    let users = std::fs::read_to_string("/etc/passwd").ok();
    let name = users.and_then(|users| users.lines().find_map(named));
    name.map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}

/// What somebody did.
#[derive(Debug)]
pub struct Deed {
    /// Of the entry.
    pub id: Uuid,
    /// What it was.
    pub action: Action,
    /// On which letter, if on one.
    pub letter_id: Option<Uuid>,
    /// On which job, if on one.
    pub job_id: Option<Uuid>,
    /// On how many letters, if on several.
    pub letters: Option<u64>,
    /// The reason, the clinic, and the like.
    pub details: Value,
}

impl Deed {
    /// With an id of its own, and nothing else yet.
    #[must_use]
    pub fn new(action: Action) -> Self {
        let id = Uuid::new_v4();
        Self { id, action, letter_id: None, job_id: None, letters: None, details: Value::Null }
    }
}

/// Writes an entry. From here to the end of the transaction, others that write one wait.
///
/// # Errors
/// The database's own.
pub async fn note(transaction: &DatabaseTransaction, actor: &Actor, deed: Deed) -> Result<(), DbErr> {
    let head = audit_head::Entity::find().lock(LockType::Update).one(transaction).await?;
    let head = head.ok_or_else(|| DbErr::RecordNotFound("audit_head has no row".to_owned()))?;
    // In the order of their numbers entries are in the order of time, too, whatever the clocks of their processes say.
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

/// What an entry's digest has to be: over all that it says, its number, and the digest before it.
#[must_use]
pub fn digest(entry: &audit_entry::Model) -> String {
    let or_none = |value: Option<String>| value.map_or_else(|| "-".to_owned(), |value| format!("={value}"));
    let number = |value: Option<i64>| or_none(value.map(|value| value.to_string()));
    let id = |value: Option<Uuid>| or_none(value.map(|value| value.to_string()));
    canonical::sha256_hex(&[
        number(entry.sequence).as_bytes(),
        or_none(entry.previous.clone()).as_bytes(),
        entry.id.to_string().as_bytes(),
        entry.at.timestamp_micros().to_string().as_bytes(),
        entry.actor.as_bytes(),
        entry.origin.as_bytes(),
        entry.action.as_bytes(),
        id(entry.letter_id).as_bytes(),
        id(entry.job_id).as_bytes(),
        number(entry.letters.map(i64::from)).as_bytes(),
        entry.details.as_bytes(),
    ])
}
