//! Errors that prevent a run.

use sea_orm::DbErr;

/// Reason why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The plan has no clinic.
    #[error(
        "no clinic to call as: give --clinics FILE with the output of `careq-sync clinic add ID --json`, or set \
         CAREQ_CLINICS as the installation has it"
    )]
    NoClinics,
    /// The plan has a clinic twice, so its records would get two different contents.
    #[error("clinic {0} is listed twice; remove one of the two")]
    DuplicateClinic(String),
    /// The run would need more record numbers than it has.
    #[error("that is more than {0} bookings per clinic; send fewer events or use more clinics")]
    TooManyBookings(u64),
    /// The plan has no ingress.
    #[error("no ingress to call: give --url")]
    NoTargets,
    /// An ingress URL is invalid.
    #[error("{0:?} is not the URL of an ingress, such as http://127.0.0.1:8080")]
    InvalidUrl(String),
    /// A secret cannot be sent in a header.
    #[error("a secret of clinic {0} contains characters that no HTTP header may have")]
    InvalidSecret(String),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built: the certificates of this machine cannot be read")]
    Client,
    /// The tables cannot be read.
    #[error("the tables cannot be checked: {0}")]
    Database(#[from] DbErr),
}
