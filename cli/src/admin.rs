//! `careq-sync admin …`. A token must never be printed but by the command that makes it.

use anyhow::Result;
use careq_console::admins::{self, Made, Summary};
use careq_console::audit::{Actor, Origin};
use careq_shared::config::Config;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::arguments::{AdminCommand, Output};
use crate::environment::{print, user};
use crate::migrate;

pub(crate) async fn run(config: &Config, command: AdminCommand) -> Result<()> {
    let database = migrate::connect(config).await?;
    let actor = Actor { name: user(), origin: Origin::CommandLine };
    match command {
        AdminCommand::Add { admin, role } => {
            show_token(admin.output, &admins::add(&database, &actor, &admin.name, role).await?);
        }
        AdminCommand::Rotate(admin) => {
            show_token(admin.output, &admins::rotate(&database, &actor, &admin.name).await?);
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

fn show_token(output: Output, Made { name, role, token }: &Made) {
    let token = token.expose_secret();
    print(&if output.json {
        json!({ "name": name, "role": role, "token": token }).to_string()
    } else {
        format!(
            "The token of {name}, who is {} {role}, shown only now:\n\n    {token}\n\nIt is sent to the admin API as \
             `Authorization: Bearer TOKEN`.",
            if *role == admins::Role::Operator { "an" } else { "a" }
        )
    });
}

fn list(output: Output, known: &[Summary]) {
    if output.json {
        return print(&json!({ "admins": known }).to_string());
    }
    if known.is_empty() {
        return print("There is no admin yet; `careq-sync admin add NAME --role reader` makes one.");
    }
    for Summary { name, role, created_at, disabled_at, .. } in known {
        let since = created_at.format("%Y-%m-%d");
        let state =
            disabled_at.map_or_else(String::new, |at| format!(", disabled {}", at.format("%Y-%m-%d")));
        print(&format!("{name}  {role}, since {since}{state}"));
    }
}
