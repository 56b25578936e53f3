//! `GET /batch/{batch_id}`: the report of a batch.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use bytes::Bytes;
use careq_http::ApiError;
use careq_shared::database::read;
use careq_shared::entities::batch;
use careq_shared::ids;
use careq_shared::message::ListedEntry;
use sea_orm::EntityTrait as _;

use super::query::{self, Receipt, database_error, unreadable};
use super::stored_result;
use crate::authenticate::caller::Verified;
use crate::response::batch_report;
use crate::response::error;
use crate::state::Ingress;

pub(crate) async fn handle(
    caller: Verified<Bytes>,
    State(ingress): State<Arc<Ingress>>,
    batch_id: Result<Path<String>, PathRejection>,
    receipt: Result<Query<Receipt>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Path(batch_id) = batch_id.map_err(|_| unreadable())?;
    let receipt = query::receipt(receipt)?;
    let clinic = &caller.clinic;
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
    let results = || stored_result::of_batch(&ingress.database, &row, &listing);
    let results = read(results).await.map_err(database_error)?;
    Ok(batch_report::of_stored(&clinic.clinic_id, &batch_id, &listing, &results))
}
