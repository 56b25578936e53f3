//! The description of the API is compared with the running routes: both have the same operations, and other
//! methods are refused.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::harness::{Stack, operations, patient, sample, send};

#[tokio::test]
async fn the_description_matches_the_running_routes() {
    let stack = Stack::embedded(&[]).await;
    // Without a token, because the description contains no data of a clinic.
    let page = reqwest::get(format!("http://{}/openapi.json", stack.client.address())).await.unwrap();
    let document: Value = page.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    every_operation_of_the_specification_is_described(&document);
    exactly_the_described_operations_exist(&stack, &document).await;
    the_answers_have_the_members_that_are_described(&stack, &document).await;
    the_documentation_page_is_bundled(&stack).await;
    stack.finish().await;
}

fn every_operation_of_the_specification_is_described(document: &Value) {
    let described = operations(document);
    for path in [
        "/patient",
        "/doctor",
        "/service",
        "/appointment",
        "/appointment/status",
        "/appointment/cancel",
        "/batch",
    ] {
        assert!(described.contains(&(path.to_owned(), Method::POST)), "{path}");
        let operation = &document["paths"][path]["post"];
        let statuses: Vec<_> =
            operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
        for status in ["200", "202", "400", "401", "408", "409", "413", "422", "429", "500", "503"] {
            assert!(statuses.contains(&status), "{path}: {status}");
        }
        assert!(operation["requestBody"]["content"]["application/json"]["example"].is_object(), "{path}");
        if path != "/batch" {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["properties"];
            for name in sample(path).as_object().unwrap().keys() {
                assert!(schema[name].is_object(), "{path}: {name}");
            }
        }
    }
    assert!(described.contains(&("/health".to_owned(), Method::GET)));
    assert_eq!(described.len(), 11, "{described:?}");
}

async fn exactly_the_described_operations_exist(stack: &Stack, document: &Value) {
    let described = operations(document);
    for path in described.iter().map(|(path, _)| path).collect::<BTreeSet<_>>() {
        let real = path
            .replace("{kind}", "patient")
            .replace("{careq_id}", "1")
            .replace("{batch_id}", "b")
            .replace("{event_id}", "e");
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = send(stack.client.request(method.clone(), &real)).await;
            if described.contains(&(path.clone(), method.clone())) {
                let documented = &document["paths"][path][method.as_str().to_lowercase()]["responses"];
                assert!(
                    documented[answer.status.to_string()].is_object(),
                    "{method} {path}: {}",
                    answer.status
                );
            } else {
                assert_eq!(answer.status, 405, "{method} {path}");
            }
        }
    }
}

/// Responses have the required members of their schemas.
async fn the_answers_have_the_members_that_are_described(stack: &Stack, document: &Value) {
    let created = stack.client.post("/patient", &patient(1)).await;
    let event_id = created.body["data"]["event_id"].as_str().unwrap().to_owned();
    let rows = [
        ("Settled", created.body.clone()),
        (
            "Queued",
            stack.client.post_with("/patient", &patient(2), &[("prefer", "respond-async")]).await.body,
        ),
        ("Error", stack.client.post("/patient", &Value::Object(serde_json::Map::new())).await.body),
        ("EventPage", stack.client.get(&format!("/events/{event_id}")).await.body),
        ("RecordPage", stack.client.get("/status/patient/1").await.body),
        ("Health", stack.client.get("/health").await.body),
    ];
    for (name, body) in rows {
        assert_matches(document, &document["components"]["schemas"][name], &body, name);
    }
}

fn assert_matches(document: &Value, schema: &Value, body: &Value, what: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        return assert_matches(document, schema, body, what);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        assert_matches(document, part, body, what);
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(!body[name].is_null(), "{what}: {name} is missing in {body}");
        let schema = &schema["properties"][name];
        assert_matches(document, schema, &body[name], &format!("{what}.{name}"));
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(body), "{what}: {body}");
    }
}

async fn the_documentation_page_is_bundled(stack: &Stack) {
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", stack.client.address())).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    };
    let page = get("/docs/").await;
    assert!(page.contains("swagger-ui"), "{page}");
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "the page loads no external resource: {page}"
    );
    for path in ["/docs/", "/docs/swagger-ui-bundle.js", "/openapi.json"] {
        let answer = reqwest::get(format!("http://{}{path}", stack.client.address())).await.unwrap();
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
    }
    // The policy forbids inline scripts, styles and event handlers, so the page must not contain them.
    for forbidden in ["<style", "style=", "onload=", "<script>"] {
        assert!(!page.contains(forbidden), "{forbidden}: {page}");
    }
    assert!(get("/docs/swagger-initializer.js").await.contains("/openapi.json"));
    assert!(get("/docs/swagger-ui-bundle.js").await.len() > 100_000);
    let refused = reqwest::Client::new().post(format!("http://{}/openapi.json", stack.client.address()));
    assert_eq!(send(refused).await.status, 405);
}
