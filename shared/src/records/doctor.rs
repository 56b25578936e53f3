//! A doctor and its field table (API specification, section 2). Unlike a patient's, a doctor's phone numbers are free
//! text, and only their length is checked.

use chrono::{DateTime, Utc};

use super::record::record;

record! {
    /// A doctor as CareQ describes it. An absent optional field is `None` and replaces the stored value.
    Doctor {
        first_name: String = required_text(256),
        last_name: String = required_text(256),
        email: Option<String> = email(),
        phone_number: Option<String> = text(128),
        mobile_number: Option<String> = text(128),
        address: Option<String> = text(256),
        city: Option<String> = text(256),
        state: Option<String> = text(256),
        zip_code: Option<String> = text(10),
        specialization: Option<String> = text(256),
        notes: Option<String> = long_text(),
        is_private: Option<bool> = boolean(),
        timezone: Option<String> = text(256),
        language: Option<String> = text(10),
        created_at: Option<DateTime<Utc>> = instant(),
        updated_at: Option<DateTime<Utc>> = version(),
    }
}
