//! Responses of an ingress: the fields that give the outcome of events.

use std::time::Duration;

use serde::Deserialize;

/// A complete response.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) took: Duration,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: ResponseBody,
}

/// Body of a response.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ResponseBody {
    #[serde(default)]
    pub(crate) data: ResponseData,
    /// Set for an event that was stored but has not been applied.
    pub(crate) event_id: Option<String>,
}

/// `data` of a response or of a status page.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ResponseData {
    pub(crate) event_id: Option<String>,
    pub(crate) sync_status: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) updated_at: Option<String>,
    pub(crate) status_updated_at: Option<String>,
    pub(crate) error: Option<EventError>,
    #[serde(default)]
    pub(crate) results: Vec<BatchResult>,
}

/// Error of a failed event.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct EventError {
    pub(crate) code: String,
}

/// Result of one record in the report of a batch.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BatchResult {
    pub(crate) event_id: Option<String>,
}

/// The connection failed, the timeout passed, or the response was unreadable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoResponseError;

impl ResponseBody {
    /// Ids of the events in the order sent; `None` for a refused record of a batch.
    pub(crate) fn event_ids(&self) -> impl Iterator<Item = Option<&str>> {
        let single = self.data.event_id.iter().chain(&self.event_id).map(|event_id| Some(event_id.as_str()));
        single.chain(self.data.results.iter().map(|result| result.event_id.as_deref()))
    }
}
