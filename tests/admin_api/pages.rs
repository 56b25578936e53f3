//! Paging lists every letter exactly once while other letters are added.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Admin, REFUSE, execute, refused_patients};
use crate::harness::Stack;

#[tokio::test]
async fn every_letter_is_on_one_page_while_others_are_added() {
    let mut stack = Stack::full(1, &[]).await;
    execute(&stack, REFUSE).await;
    refused_patients(&stack, 1, 40).await;
    let reader = Admin::new(&mut stack, "reader", "reader").await;
    let mut added = 1_000;
    let mut walked = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let after = next.map(|next| format!("&after={next}")).unwrap_or_default();
        let page = reader.get(&format!("/dead-letters?limit=7{after}")).await.body;
        walked.extend(
            page["items"].as_array().unwrap().iter().map(|letter| letter["careq_id"].as_i64().unwrap()),
        );
        let Some(cursor) = page["next"].as_str() else { break };
        next = Some(cursor.to_owned());
        refused_patients(&stack, added, 2).await;
        added += 2;
    }
    let once: BTreeSet<_> = walked.iter().copied().collect();
    assert_eq!(walked.len(), once.len(), "no letter is listed twice: {walked:?}");
    assert_eq!(once, (1..=40).collect(), "the letters that existed at the start, and no later ones");

    let groups = reader.get("/dead-letters/groups").await.body;
    let total = 40 + (added - 1_000);
    assert_eq!(
        (groups["items"].as_array().unwrap().len(), &groups["items"][0]["letters"]),
        (1, &total.into())
    );
    let open = reader.get("/dead-letters/open").await.body;
    let letters = |class: &str, age: &str| {
        let all = open["items"].as_array().unwrap();
        all.iter().find(|one| one["class"] == class && one["age"] == age).unwrap()["letters"].clone()
    };
    assert_eq!((letters("data", "hour"), letters("conflict", "older")), (Value::from(total), Value::from(0)));
    stack.finish().await;
}
