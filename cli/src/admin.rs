//! `careq-sync admin`. Only the command that creates a token prints it.

use anyhow::Result;
use careq_console::admins::{self, NewToken, Summary};
use careq_console::audit::{Actor, Origin};
use careq_shared::clock;
use careq_shared::config::Config;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::arguments::admin::AdminCommand;
use crate::arguments::output::Output;
use crate::migrate;

pub(crate) async fn run(config: &Config, command: AdminCommand) -> Result<()> {
    let database = migrate::connect(config).await?;
    let actor = Actor::process_user(Origin::CommandLine);
    match command {
        AdminCommand::Add { admin, role, expires } => {
            print_token(admin.output, &admins::add(&database, &actor, &admin.name, role, expires).await?)
        }
        AdminCommand::Rotate { admin, expires } => {
            print_token(admin.output, &admins::rotate(&database, &actor, &admin.name, expires).await?)
        }
        AdminCommand::Disable(admin) => {
            admins::disable(&database, &actor, &admin.name).await?;
            let as_json = json!({ "name": admin.name, "disabled": true });
            admin.output.print(&as_json, || format!("Admin {} is disabled.", admin.name))
        }
        AdminCommand::List(output) => {
            let admins = admins::list(&database).await?;
            output.print(&json!({ "admins": admins }), || list(&admins))
        }
    }
}

fn print_token(output: Output, NewToken { name, role, token, expires_at }: &NewToken) -> Result<()> {
    let token = token.expose_secret();
    let as_json = json!({ "name": name, "role": role, "token": token, "expires_at": expires_at });
    output.print(&as_json, || {
        format!(
            "The token of {name} ({role}), shown only once:\n\n    {token}\n\nSend it to the admin API as \
             `Authorization: Bearer TOKEN`. It expires on {}; `careq-sync admin rotate {name}` creates the next one.",
            expires_at.format("%Y-%m-%d at %H:%M UTC")
        )
    })
}

fn list(admins: &[Summary]) -> String {
    let line = |Summary { name, role, created_at, disabled_at, expires_at, .. }: &Summary| {
        let since = created_at.format("%Y-%m-%d");
        let state = match (disabled_at, expires_at) {
            (Some(at), _) => format!(", disabled {}", at.format("%Y-%m-%d")),
            (None, Some(end)) if *end <= clock::now() => format!(", expired {}", end.format("%Y-%m-%d")),
            (None, Some(end)) => format!(", until {}", end.format("%Y-%m-%d")),
            (None, None) => ", expired".to_owned(),
        };
        format!("{name}  {role}, since {since}{state}")
    };
    if admins.is_empty() {
        return "There is no admin; `careq-sync admin add NAME --role reader` creates one.".to_owned();
    }
    admins.iter().map(line).collect::<Vec<_>>().join("\n")
}
