//! A patient and its field table (API specification, section 1). It is personal data, and is not logged.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::form::Form;

/// A patient as CareQ describes it. An absent optional field is `None` and replaces the stored value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are the specification's own, under their own names")]
pub struct Patient {
    pub first_name: String,
    pub last_name: String,
    pub email: Option<String>,
    pub phone_number: String,
    pub date_of_birth: Option<NaiveDate>,
    pub gender: Option<String>,
    pub address: Option<String>,
    pub city: Option<String>,
    pub state: Option<String>,
    pub zip_code: Option<String>,
    pub aadhar_number: Option<String>,
    pub spouse_name: Option<String>,
    pub father_name: Option<String>,
    pub custom_field_1: Option<String>,
    pub custom_field_2: Option<String>,
    pub custom_field_3: Option<String>,
    pub custom_field_4: Option<String>,
    pub custom_field_5: Option<String>,
    pub notes: Option<String>,
    pub timezone: Option<String>,
    pub language: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

impl Patient {
    pub(super) fn read(form: &mut Form<'_>) -> Self {
        Self {
            first_name: form.required_text("first_name", 256),
            last_name: form.required_text("last_name", 256),
            email: form.email("email"),
            phone_number: form.required_phone("phone_number"),
            date_of_birth: form.date("date_of_birth"),
            gender: form.one_of("gender", &["male", "female", "other"]),
            address: form.text("address", 256),
            city: form.text("city", 256),
            state: form.text("state", 256),
            zip_code: form.text("zip_code", 10),
            aadhar_number: form.text("aadhar_number", 20),
            spouse_name: form.text("spouse_name", 256),
            father_name: form.text("father_name", 256),
            custom_field_1: form.long_text("custom_field_1"),
            custom_field_2: form.long_text("custom_field_2"),
            custom_field_3: form.long_text("custom_field_3"),
            custom_field_4: form.long_text("custom_field_4"),
            custom_field_5: form.long_text("custom_field_5"),
            notes: form.long_text("notes"),
            timezone: form.text("timezone", 256),
            language: form.text("language", 10),
            created_at: form.instant("created_at"),
            updated_at: form.version("updated_at"),
        }
    }
}
