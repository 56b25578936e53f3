//! Base URL of an ingress, parsed once instead of for every request.

use hyper::Uri;
use hyper::http::uri::{Authority, Parts, PathAndQuery, Scheme};

use crate::error::SimulatorError;

/// Base path (API specification, "Base URL").
const API_PATH: &str = "/api/v1/careq-sync";

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// The path of the URL, followed by the API's base path.
    base_path: String,
}

impl BaseUrl {
    /// Parses a URL without the API's base path.
    pub(super) fn parse(url: &str) -> Result<Self, SimulatorError> {
        let invalid = || SimulatorError::InvalidUrl(url.to_owned());
        let Parts { scheme, authority, path_and_query, .. } =
            url.parse::<Uri>().map_err(|_| invalid())?.into_parts();
        let path = path_and_query.as_ref().map_or("", PathAndQuery::path);
        Ok(Self {
            scheme: scheme.ok_or_else(invalid)?,
            authority: authority.ok_or_else(invalid)?,
            base_path: format!("{}{API_PATH}", path.trim_end_matches('/')),
        })
    }

    /// URI of a path below the base path; `None` if the path has invalid characters.
    pub(super) fn uri(&self, path: &str) -> Option<Uri> {
        let path = PathAndQuery::try_from(format!("{}{path}", self.base_path)).ok()?;
        let mut parts = Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_path_is_appended_to_the_path_of_the_url() {
        for (url, uri) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v1/careq-sync/patient"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/api/v1/careq-sync/patient"),
            ("https://sync.example.com/in", "https://sync.example.com/in/api/v1/careq-sync/patient"),
        ] {
            assert_eq!(BaseUrl::parse(url).unwrap().uri("/patient").unwrap().to_string(), uri);
        }
        for url in ["", "127.0.0.1:8080/x", "/patient", "http://"] {
            assert!(BaseUrl::parse(url).is_err(), "{url}");
        }
    }
}
