//! Where an ingress is. Its URL is read once, and not for every request.

use hyper::Uri;
use hyper::http::uri::{Authority, Parts, PathAndQuery, Scheme};

use crate::SimulatorError;

/// The base path (API specification, "Base URL").
const API: &str = "/api/v1/careq-sync";

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Target {
    scheme: Scheme,
    authority: Authority,
    /// The base path, after whatever path the URL has itself.
    base: String,
}

impl Target {
    /// Of a URL without the base path.
    pub(super) fn of(url: &str) -> Result<Self, SimulatorError> {
        let no_target = || SimulatorError::NoTarget(url.to_owned());
        let Parts { scheme, authority, path_and_query, .. } =
            url.parse::<Uri>().map_err(|_| no_target())?.into_parts();
        let path = path_and_query.as_ref().map_or("", PathAndQuery::path);
        Ok(Self {
            scheme: scheme.ok_or_else(no_target)?,
            authority: authority.ok_or_else(no_target)?,
            base: format!("{}{API}", path.trim_end_matches('/')),
        })
    }

    /// Of a path of the API.
    pub(super) fn uri(&self, path: &str) -> Option<Uri> {
        let path = PathAndQuery::try_from(format!("{}{path}", self.base)).ok()?;
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
    fn the_base_path_is_added_to_whatever_the_url_has() {
        for (url, uri) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v1/careq-sync/patient"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/api/v1/careq-sync/patient"),
            ("https://sync.example.com/in", "https://sync.example.com/in/api/v1/careq-sync/patient"),
        ] {
            assert_eq!(Target::of(url).unwrap().uri("/patient").unwrap().to_string(), uri);
        }
        for url in ["", "127.0.0.1:8080/x", "/patient", "http://"] {
            assert!(Target::of(url).is_err(), "{url}");
        }
    }
}
