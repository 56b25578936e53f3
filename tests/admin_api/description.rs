//! The description of the admin API is compared with its routes and responses: both must have the same operations
//! and members.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Admin, QUICK, orphan};
use crate::harness::{Stack, operations, send};

#[tokio::test]
async fn the_description_matches_the_running_admin_api() {
    let mut stack = Stack::embedded(&QUICK).await;
    let letter = orphan(&stack, 7).await;
    let operator = Admin::new(&mut stack, "operator", "operator").await;
    let root = operator.base.trim_end_matches("/v1").to_owned();
    let document: Value = reqwest::get(format!("{root}/openapi.json")).await.unwrap().json().await.unwrap();
    assert_eq!(
        (&document["openapi"], &document["servers"][0]["url"]),
        (&json!("3.1.0"), &json!("/admin/v1"))
    );
    let page = reqwest::get(format!("{root}/docs/")).await.unwrap();
    assert!(page.status() == 200 && page.text().await.unwrap().contains("swagger-ui"));
    let job = responses_match_their_descriptions(&operator, &document, &letter).await;
    exactly_the_described_operations_exist(&operator, &document, (&letter, &job)).await;
    stack.finish().await;
}

async fn exactly_the_described_operations_exist(
    operator: &Admin,
    document: &Value,
    (letter, job): (&str, &str),
) {
    let described = operations(document);
    assert_eq!(described.len(), 20, "{described:?}");
    for path in described.iter().map(|(path, _)| path).collect::<BTreeSet<_>>() {
        let real = path.replace("{id}", if path.starts_with("/replay-jobs") { job } else { letter });
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let status = operator.request(method.clone(), &real).send().await.unwrap().status().as_u16();
            if described.contains(&(path.clone(), method.clone())) {
                let operation = &document["paths"][path][method.as_str().to_lowercase()];
                assert!(operation["responses"][status.to_string()].is_object(), "{method} {path}: {status}");
                assert!(status < 500 && status != 404, "{method} {path}: {status}");
                assert!(
                    operation["responses"]["403"].is_object() == (method == Method::POST),
                    "{method} {path}"
                );
                // HEAD is a GET without content.
                let methods =
                    if method == Method::GET { vec![Method::GET, Method::HEAD] } else { vec![Method::POST] };
                for method in methods {
                    let unknown = operator.request(method.clone(), &format!("{real}?unknown=x")).send();
                    assert_eq!(unknown.await.unwrap().status(), 422, "{method} {path}");
                }
            } else {
                assert_eq!(status, 405, "{method} {path}");
            }
        }
    }
}

/// Asserts that responses match their descriptions. Returns the id of the job that it creates.
async fn responses_match_their_descriptions(operator: &Admin, document: &Value, letter: &str) -> String {
    let job = operator.post("/replay-jobs", &json!({ "filter": { "ids": [letter] } })).await;
    let id = job.body["id"].as_str().unwrap().to_owned();
    let rows = [
        ("/me", "/me".to_owned()),
        ("/dead-letters", "/dead-letters?state=all".to_owned()),
        ("/dead-letters/count", "/dead-letters/count".to_owned()),
        ("/dead-letters/groups", "/dead-letters/groups?state=all".to_owned()),
        ("/dead-letters/open", "/dead-letters/open".to_owned()),
        ("/dead-letters/{id}", format!("/dead-letters/{letter}")),
        ("/replay-jobs", "/replay-jobs".to_owned()),
        ("/replay-jobs/plan", "/replay-jobs/plan".to_owned()),
        ("/replay-jobs/{id}", format!("/replay-jobs/{id}")),
        ("/replay-jobs/{id}/letters", format!("/replay-jobs/{id}/letters")),
        ("/audit", "/audit".to_owned()),
    ];
    for (described, path) in rows {
        let answer = operator.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_ne!(answer.body["items"], json!([]), "{path}: the list has no item to compare");
        let ok = &document["paths"][described]["get"]["responses"]["200"];
        assert_matches(document, &ok["content"]["application/json"]["schema"], &answer.body, &path);
    }
    let posted = &document["paths"]["/replay-jobs"]["post"]["responses"]["201"];
    assert_matches(document, &posted["content"]["application/json"]["schema"], &job.body, "a new job");
    let error = send(operator.bare(Method::GET, "/me")).await.body;
    assert_matches(document, &document["components"]["schemas"]["Error"], &error, "an error");
    id
}

/// Asserts that required members are present, present members are described, and enumerated values are listed.
fn assert_matches(document: &Value, schema: &Value, body: &Value, what: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        return assert_matches(document, document.pointer(name.trim_start_matches('#')).unwrap(), body, what);
    }
    let choices = schema["oneOf"].as_array().into_iter().flatten();
    for choice in choices.filter(|choice| (choice["type"] == "null") == body.is_null()) {
        assert_matches(document, choice, body, what);
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(body), "{what}: {body}");
    }
    if schema["type"] == "array" || schema["type"] == "object" || schema["allOf"].is_array() {
        let properties = properties(document, schema);
        for name in required(document, schema) {
            assert!(body.get(&name).is_some(), "{what}: {name} is missing in {body}");
        }
        for (position, item) in body.as_array().into_iter().flatten().enumerate() {
            assert_matches(document, &schema["items"], item, &format!("{what}[{position}]"));
        }
        let is_closed = !properties.is_empty();
        for (name, value) in body.as_object().into_iter().flatten().filter(|_| is_closed) {
            let known = properties.iter().find(|(known, _)| *known == name);
            let (_, of_member) = known.unwrap_or_else(|| panic!("{what}: {name} is not described"));
            assert_matches(document, of_member, value, &format!("{what}.{name}"));
        }
    }
}

fn parts<'document>(document: &'document Value, schema: &'document Value) -> Vec<&'document Value> {
    if let Some(name) = schema["$ref"].as_str() {
        return parts(document, document.pointer(name.trim_start_matches('#')).unwrap());
    }
    match schema["allOf"].as_array() {
        Some(all) => all.iter().flat_map(|part| parts(document, part)).collect(),
        None => vec![schema],
    }
}

fn properties<'document>(
    document: &'document Value,
    schema: &'document Value,
) -> Vec<(&'document String, &'document Value)> {
    let all = parts(document, schema).into_iter();
    all.flat_map(|part| part["properties"].as_object().into_iter().flatten()).collect()
}

fn required(document: &Value, schema: &Value) -> Vec<String> {
    let all = parts(document, schema).into_iter();
    let names = all.flat_map(|part| part["required"].as_array().into_iter().flatten());
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}
