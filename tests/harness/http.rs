//! HTTP client that sends requests as CareQ does.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// CareQ as the client of one clinic.
#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    token: String,
    http: reqwest::Client,
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn new(address: &str, token: &str) -> Self {
        let base = format!("http://{address}/api/v1/careq-sync");
        Self { base, token: token.to_owned(), http: http() }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://").split('/').next().unwrap()
    }

    /// The same client with another clinic's token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, &[]).await
    }

    pub(crate) async fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let request = self.request(Method::POST, path).json(body);
        send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    /// Like `post_with`, for an ingress that may be down or end before it responds.
    pub(crate) async fn try_post(
        &self,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Option<Answer> {
        let request = self.request(Method::POST, path).json(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Some(Answer { status, headers, body: response.json().await.ok()? })
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// A request that can be changed before it is sent with [`send`].
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    /// A request without authentication.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        // A `status_url` contains the base path.
        let path = path.strip_prefix("/api/v1/careq-sync").unwrap_or(path);
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// The event's status page, if the event is in this state.
    pub(crate) async fn event_is(&self, event_id: &Value, sync_status: &str) -> Option<Answer> {
        let page = self.get(&format!("/events/{}", event_id.as_str().unwrap())).await;
        (page.body["data"]["sync_status"] == sync_status).then_some(page)
    }
}

fn http() -> reqwest::Client {
    // reqwest needs a provider even for plain HTTP. An earlier test may have installed it.
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::new()
}

/// Gets a path outside the API, such as one of the operations port.
pub(crate) async fn fetch(address: &str, path: &str) -> reqwest::Response {
    http().get(format!("http://{address}{path}")).send().await.expect("it answers")
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("the ingress answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    assert_eq!(headers["content-type"], "application/json", "every answer is JSON");
    Answer { status, headers, body: response.json().await.expect("the body is JSON") }
}

/// Paths and methods of an OpenAPI document.
pub(crate) fn operations(document: &Value) -> BTreeSet<(String, Method)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let path_methods = |(path, item): (&String, &Value)| {
        let methods = item.as_object().unwrap().keys().map(|name| name.to_uppercase().parse().unwrap());
        methods.map(|method: Method| (path.clone(), method)).collect::<Vec<_>>()
    };
    paths.flat_map(path_methods).collect()
}
