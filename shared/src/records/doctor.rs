//! A doctor and its field table (API specification, section 2). Unlike a patient's, a doctor's phone numbers are free
//! text, and only their length is checked.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::form::Form;

/// A doctor as CareQ describes it. An absent optional field is `None` and replaces the stored value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the specification's own, under their own names")]
pub struct Doctor {
    pub first_name: String,
    pub last_name: String,
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub mobile_number: Option<String>,
    pub address: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub zip_code: Option<String>,
    pub specialization: Option<String>,
    pub notes: Option<String>,
    pub is_private: Option<bool>,
    pub timezone: Option<String>,
    pub language: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Doctor {
    pub(super) fn read(form: &mut Form<'_>) -> Self {
        Self {
            first_name: form.required_text("first_name", 256),
            last_name: form.required_text("last_name", 256),
            email: form.email("email"),
            phone_number: form.text("phone_number", 128),
            mobile_number: form.text("mobile_number", 128),
            address: form.text("address", 256),
            city: form.text("city", 256),
            state: form.text("state", 256),
            zip_code: form.text("zip_code", 10),
            specialization: form.text("specialization", 256),
            notes: form.long_text("notes"),
            is_private: form.boolean("is_private"),
            timezone: form.text("timezone", 256),
            language: form.text("language", 10),
            created_at: form.instant("created_at"),
            updated_at: form.version("updated_at"),
        }
    }
}
