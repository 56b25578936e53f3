//! Database of a test, dropped at the end.

use careq_shared::config::{self, Config};
use careq_shared::entities::dead_letter;
use careq_shared::seal::{AssociatedData, Seal, Sealed};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};
use tempfile::TempDir;
use uuid::Uuid;

use super::SEAL_KEYS;

/// The supported databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A new database.
pub(crate) struct FreshDatabase {
    pub(crate) url: String,
    pub(crate) connection: DatabaseConnection,
    name: Option<String>,
    _folder: Option<TempDir>,
}

impl FreshDatabase {
    pub(crate) async fn new(backend: Backend) -> Self {
        let database = Self::empty(backend).await;
        careq_migrations::up(&database.connection).await.expect("the tables can be made");
        database
    }

    /// Name of the database; only for PostgreSQL.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().expect("only PostgreSQL's databases have a name")
    }

    /// A database without tables.
    pub(crate) async fn empty(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}", folder.path().join("test.db").display());
                let connection = careq_shared::database::connect(&config(&url)).await.unwrap();
                Self { url, connection, name: None, _folder: Some(folder) }
            }
            Backend::Postgres => {
                let name = format!("careq_test_{}", Uuid::new_v4().simple());
                admin().await.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
                let url = format!("{}/{name}", admin_url().rsplit_once('/').unwrap().0);
                let connection = careq_shared::database::connect(&config(&url)).await.unwrap();
                Self { url, connection, name: Some(name), _folder: None }
            }
        }
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            // In a separate thread, because the test's runtime may have ended. A failing test drops its database too.
            let dropped = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let drop = format!("DROP DATABASE {name} WITH (FORCE)");
                runtime.block_on(async { admin().await.execute_unprepared(&drop).await.map(|_| ()) })
            });
            dropped.join().ok();
        }
    }
}

fn admin_url() -> String {
    #[expect(clippy::disallowed_methods, reason = "where the test server is")]
    std::env::var("TEST_DATABASE_URL")
        .unwrap_or_else(|_| "postgres://careq_test:careq_test@127.0.0.1:5432/postgres".to_owned())
}

async fn admin() -> DatabaseConnection {
    let mut options = ConnectOptions::new(admin_url());
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await.unwrap_or_else(|fault| {
        panic!("PostgreSQL cannot be used for tests ({fault}); `make servers` installs and starts it")
    })
}

fn config(url: &str) -> Config {
    let settings = [("CAREQ_DATABASE_URL", url), ("CAREQ_SEAL_KEYS", SEAL_KEYS)];
    config::load(None, settings.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap()
}

/// Opens the sealed payload of a dead letter.
pub(crate) fn opened(letter: &dead_letter::Model) -> Vec<u8> {
    let sealed = Sealed::stored_bytes(&letter.payload);
    seal()
        .open(AssociatedData::dead_letter(&letter.id.to_string()), &sealed)
        .expect("the payload is sealed for its row")
}

/// Seal keys of every test's installation.
pub(crate) fn seal() -> Seal {
    careq_shared::seal::open(&config("sqlite::memory:")).unwrap()
}
