//! `GET /batch/{batch_id}`: the report of a batch.

use axum::extract::{Path, Query};
use axum::response::Response;
use careq_http::ApiError;
use careq_shared::database::read;
use careq_shared::entities::batch;
use careq_shared::ids;
use careq_shared::message::ListedEntry;
use sea_orm::EntityTrait as _;

use super::stored_result;
use super::{Readable, Receipt, database_error};
use crate::authenticate::Verified;
use crate::response::batch_report;
use crate::response::error;

/// The report of a batch
#[utoipa::path(
    get, path = "/batch/{batch_id}", operation_id = "batch_page",
    params(
        ("batch_id" = String, Path),
        ("receipt" = Option<String>, Query, description = "From the `status_url` of a 202"),
    ),
    responses(
        (status = 200, description = "The report so far", body = ref("#/components/schemas/BatchReport")),
        (status = 404, description = "No worker has registered such a batch of this clinic"),
    ),
)]
pub(crate) async fn handle(
    Verified { ingress, clinic, .. }: Verified,
    Readable(Path(batch_id)): Readable<Path<String>>,
    Readable(Query(Receipt { receipt })): Readable<Query<Receipt>>,
) -> Result<Response, ApiError> {
    let content =
        receipt.as_ref().and_then(|receipt| ids::open_batch_receipt(&clinic.event_key, &batch_id, receipt));
    let row = batch::Entity::find_by_id((clinic.clinic_id.clone(), batch_id.clone()));
    let row = read(|| row.clone().one(&ingress.database)).await.map_err(database_error)?;
    let row = match (row, receipt, content) {
        (Some(row), Some(receipt), Some(content)) if !row.content_digest.starts_with(&content) => {
            return Ok(batch_report::refused_page(&batch_id, &receipt));
        }
        (Some(row), _, _) => row,
        (None, Some(receipt), Some(_)) => return Ok(batch_report::queued_page(&batch_id, &receipt)),
        (None, _, _) => {
            return Err(error::not_found(
                "No worker has registered a batch with this id; for a batch that was just accepted, use the \
                 status_url of its answer",
            ));
        }
    };
    let listing: Vec<ListedEntry> =
        serde_json::from_str(&row.entries).map_err(|_| ApiError::server_error("The batch cannot be read"))?;
    let results = || stored_result::for_batch(&ingress.database, &row, &listing);
    let results = read(results).await.map_err(database_error)?;
    Ok(batch_report::from_stored(&clinic.clinic_id, &batch_id, &listing, &results))
}
