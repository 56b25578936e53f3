//! The clinics at the start of a process. The first start on an empty data folder adds a test clinic and prints its token, once, with an
//! example request.

use std::net::SocketAddr;

use anyhow::Result;
use careq_console::audit::{Actor, Origin};
use careq_console::clinics;
use careq_shared::config::Config;
use careq_shared::seal;
use sea_orm::DatabaseConnection;
use secrecy::{ExposeSecret as _, SecretString};

use crate::environment::print;

/// The clinic of the specification's sample data.
const TEST_CLINIC: &str = "test_clinic";

/// Adds the clinics of the settings. If there is no clinic at all, adds the test clinic and returns its token.
pub(crate) async fn add_clinics(
    database: &DatabaseConnection,
    config: &Config,
) -> Result<Option<SecretString>> {
    seed(database, config).await?;
    if !clinics::list(database).await?.is_empty() {
        return Ok(None);
    }
    let actor = Actor::process_user(Origin::CommandLine);
    let secrets = clinics::add(database, &|| seal::open(config), &actor, TEST_CLINIC, &[]).await?;
    Ok(secrets.into_iter().next().map(|(_, token)| token))
}

/// Adds the missing clinics of the settings. Logs a warning for each token there that is not valid.
pub(crate) async fn seed(database: &DatabaseConnection, config: &Config) -> Result<()> {
    let actor = Actor::process_user(Origin::Settings);
    clinics::seed(database, &|| seal::open(config), &actor, &config.clinics).await?;
    for clinic_id in clinics::unheeded(database, &config.clinics).await? {
        tracing::warn!(
            clinic_id,
            "the token of this clinic in the setting clinics (CAREQ_CLINICS) is not valid and is ignored; set it with `careq-sync \
             clinic rotate --stdin`, or remove the entry"
        );
    }
    Ok(())
}

/// Prints the token and an example request, which is answered 201 (API specification, "Sample Test Data").
pub(crate) fn welcome(address: SocketAddr, token: &SecretString) {
    let token = token.expose_secret();
    print(&format!(
        "careq-sync is ready at http://{address}/api/v1/careq-sync/\n\
         \n\
         The first start has created the clinic {TEST_CLINIC}. Its token, shown only once:\n\
         \n    {token}\n\
         \n\
         Send it a patient:\n\
         \n\
         curl -i -X POST http://{address}/api/v1/careq-sync/patient -H 'Authorization: Bearer {token}' \
         -H 'Content-Type: application/json' -d '{{\"careq_id\": 99999, \"clinic_id\": \"{TEST_CLINIC}\", \
         \"first_name\": \"Test\", \"last_name\": \"Patient\", \"phone_number\": \"9999999999\", \
         \"email\": \"test@example.com\"}}'\n"
    ));
}
