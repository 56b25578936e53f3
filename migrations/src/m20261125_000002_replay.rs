//! Work on dead letters: their states and attempts, `replay_jobs`, `replay_job_letters`, `audit_log`,
//! `audit_letters`.

use sea_orm_migration::prelude::*;

use crate::columns::{
    big_integer, index, instant, integer, optional_instant, optional_integer, optional_text, optional_uuid,
    table, text, uuid,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut state = text("state");
        let mut fingerprint = text("fingerprint");
        let columns = [
            state.default("open").to_owned(),
            fingerprint.default("").to_owned(),
            optional_instant("settled_at"),
            optional_text("reason"),
            optional_uuid("original_id"),
            optional_uuid("job_id"),
            optional_uuid("audit_id"),
        ];
        // SQLite accepts one column per statement.
        for mut column in columns {
            let alter = Table::alter().table(Alias::new("dead_letters")).add_column(&mut column).to_owned();
            manager.alter_table(alter).await?;
        }
        let by_time = ["last_seen_at", "id"];
        manager.create_index(index("dead_letters", "dead_letters_by_time", &by_time)).await?;
        // Most rows are settled, and are not read for open letters.
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX dead_letters_open ON dead_letters (class, fingerprint, last_seen_at)
                 WHERE state IN ('open', 'replaying')",
            )
            .await?;

        manager.create_table(dead_letter_attempts()).await?;
        let by_letter = ["letter_id", "at"];
        manager
            .create_index(index("dead_letter_attempts", "dead_letter_attempts_by_letter", &by_letter))
            .await?;
        let mut tries = optional_text("tries");
        let alter = Table::alter().table(Alias::new("parked_events")).add_column(&mut tries).to_owned();
        manager.alter_table(alter).await?;

        manager.create_table(replay_jobs()).await?;
        manager.create_table(replay_job_letters()).await?;
        let progress = ["job_id", "state", "position"];
        manager.create_index(index("replay_job_letters", "replay_job_letters_by_state", &progress)).await?;
        manager
            .create_index(index("replay_job_letters", "replay_job_letters_by_letter", &["letter_id"]))
            .await?;

        manager.create_table(audit_log()).await?;
        manager.create_table(audit_letters()).await?;
        manager.create_index(index("audit_letters", "audit_letters_by_entry", &["audit_id"])).await?;
        manager.create_index(index("audit_log", "audit_log_by_time", &["at", "id"])).await?;
        manager.create_index(index("audit_log", "audit_log_by_letter", &["letter_id"])).await?;
        manager.create_index(index("audit_log", "audit_log_by_job", &["job_id"])).await
    }
}

fn dead_letter_attempts() -> TableCreateStatement {
    let columns =
        [uuid("id"), uuid("letter_id"), instant("at"), text("worker"), text("version"), text("message")];
    table("dead_letter_attempts", columns)
}

fn replay_jobs() -> TableCreateStatement {
    let columns = [
        uuid("id"),
        text("state"),
        text("filter"),
        integer("rate_per_second"),
        big_integer("letters"),
        text("made_by"),
        instant("made_at"),
        optional_instant("finished_at"),
        optional_text("worker"),
        optional_instant("lease_ends_at"),
    ];
    table("replay_jobs", columns)
}

fn replay_job_letters() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("replay_job_letters"))
        .col(uuid("job_id"))
        .col(uuid("letter_id"))
        .col(big_integer("position"))
        .col(text("state"))
        .col(optional_text("note"))
        .col(optional_instant("published_at"))
        .col(optional_instant("settled_at"))
        .primary_key(Index::create().col(Alias::new("job_id")).col(Alias::new("letter_id")))
        .to_owned()
}

fn audit_log() -> TableCreateStatement {
    let columns = [
        uuid("id"),
        instant("at"),
        text("actor"),
        text("origin"),
        text("action"),
        optional_uuid("letter_id"),
        optional_uuid("job_id"),
        optional_integer("letters"),
        text("details"),
    ];
    table("audit_log", columns)
}

fn audit_letters() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("audit_letters"))
        .col(uuid("letter_id"))
        .col(uuid("audit_id"))
        .primary_key(Index::create().col(Alias::new("letter_id")).col(Alias::new("audit_id")))
        .to_owned()
}
