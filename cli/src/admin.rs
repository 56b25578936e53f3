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
use crate::environment::print;
use crate::migrate;

pub(crate) async fn run(config: &Config, command: AdminCommand) -> Result<()> {
    let database = migrate::connect(config).await?;
    let actor = Actor::of_process(Origin::CommandLine);
    match command {
        AdminCommand::Add { admin, role, expires } => {
            show_token(admin.output, &admins::add(&database, &actor, &admin.name, role, expires).await?);
        }
        AdminCommand::Rotate { admin, expires } => {
            show_token(admin.output, &admins::rotate(&database, &actor, &admin.name, expires).await?);
        }
        AdminCommand::Disable(admin) => {
            admins::disable(&database, &actor, &admin.name).await?;
            let as_json = json!({ "name": admin.name, "disabled": true }).to_string();
            print(&if admin.output.json { as_json } else { format!("Admin {} is disabled.", admin.name) });
        }
        AdminCommand::List(output) => list(output, &admins::list(&database).await?),
    }
    Ok(())
}

fn show_token(output: Output, NewToken { name, role, token, expires_at }: &NewToken) {
    let token = token.expose_secret();
    print(&if output.json {
        json!({ "name": name, "role": role, "token": token, "expires_at": expires_at }).to_string()
    } else {
        format!(
            "The token of {name}, who is {} {role}, shown only now:\n\n    {token}\n\nIt is sent to the admin API as \
             `Authorization: Bearer TOKEN`, and ends on {}; `careq-sync admin rotate {name}` makes the next one.",
            if *role == admins::Role::Operator { "an" } else { "a" },
            expires_at.format("%Y-%m-%d at %H:%M UTC")
        )
    });
}

fn list(output: Output, admins: &[Summary]) {
    if output.json {
        return print(&json!({ "admins": admins }).to_string());
    }
    if admins.is_empty() {
        return print("There is no admin yet; `careq-sync admin add NAME --role reader` makes one.");
    }
    for Summary { name, role, created_at, disabled_at, expires_at, .. } in admins {
        let since = created_at.format("%Y-%m-%d");
        let state = match (disabled_at, expires_at) {
            (Some(at), _) => format!(", disabled {}", at.format("%Y-%m-%d")),
            (None, Some(end)) if *end <= clock::now() => format!(", ended {}", end.format("%Y-%m-%d")),
            (None, Some(end)) => format!(", until {}", end.format("%Y-%m-%d")),
            (None, None) => ", ended".to_owned(),
        };
        print(&format!("{name}  {role}, since {since}{state}"));
    }
}
