//! The system clock is set back while no process runs. Of two versions without a time stamp, the one acknowledged
//! later is the newer.

use careq_shared::entities::patient as patients;
use sea_orm::EntityTrait as _;
use serde_json::json;

use crate::harness::{Stack, clock_library, patient};

#[tokio::test]
async fn set_back_across_a_restart_on_the_embedded_default() {
    let (folder, settings) = moved();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    set_back(Stack::embedded(&settings).await, folder).await;
}

#[tokio::test]
async fn set_back_across_a_restart_on_postgresql_and_rabbitmq() {
    let (folder, settings) = moved();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    set_back(Stack::full(1, &settings).await, folder).await;
}

/// A folder with the file of a movable clock, and the settings of processes that use it.
fn moved() -> (tempfile::TempDir, [(&'static str, String); 4]) {
    let folder = tempfile::tempdir().unwrap();
    let clock = folder.path().join("clock");
    std::fs::write(&clock, "+0").unwrap();
    let settings = [
        ("LD_PRELOAD", clock_library().display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Timeouts use the monotonic clock.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    (folder, settings)
}

async fn set_back(mut stack: Stack, folder: tempfile::TempDir) {
    let named = |first_name: &str| {
        let mut body = patient(1);
        body["first_name"] = json!(first_name);
        body
    };
    assert_eq!(stack.client.post("/patient", &named("one")).await.status, 201);
    for (offset, first_name) in [("-1d", "two"), ("-30d", "three"), ("-31d", "one")] {
        std::fs::write(folder.path().join("clock"), offset).unwrap();
        stack = stack.restart_ingress().await;
        let answer = stack.client.post("/patient", &named(first_name)).await;
        assert_eq!(
            (answer.status, &answer.body["data"]["sync_status"]),
            (200, &json!("updated")),
            "{}",
            answer.body
        );
        let row = patients::Entity::find().one(&stack.database.connection).await.unwrap().unwrap();
        assert_eq!(row.first_name, first_name);
    }
    stack.finish().await;
}
