//! A service and its field table (API specification, section 3).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::form::Form;
use super::price::Price;

/// A service or treatment as CareQ describes it. An absent optional field is `None` and replaces the stored value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the specification's own, under their own names")]
pub struct Service {
    pub name: String,
    /// The duration in minutes.
    pub duration: i32,
    pub price: Option<Price>,
    pub currency: Option<String>,
    pub description: Option<String>,
    pub location: Option<String>,
    pub color: Option<String>,
    pub category: Option<String>,
    pub is_private: Option<bool>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Service {
    pub(super) fn read(form: &mut Form<'_>) -> Self {
        Self {
            name: form.required_text("name", 256),
            duration: form.required_minutes("duration"),
            price: form.price("price"),
            currency: form.text("currency", 10),
            description: form.long_text("description"),
            location: form.text("location", 256),
            color: form.color("color"),
            category: form.text("category", 256),
            is_private: form.boolean("is_private"),
            created_at: form.instant("created_at"),
            updated_at: form.version("updated_at"),
        }
    }
}
