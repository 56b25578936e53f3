//! A patient and its field table (API specification, section 1). It is personal data, and is not logged.

use chrono::{DateTime, NaiveDate, Utc};

use super::record::record;

record! {
    /// A patient as CareQ describes it. An absent optional field is `None` and replaces the stored value.
    Patient {
        first_name: String = required_text(256),
        last_name: String = required_text(256),
        email: Option<String> = email(),
        phone_number: String = required_phone(),
        date_of_birth: Option<NaiveDate> = date(),
        gender: Option<String> = one_of(&["male", "female", "other"]),
        address: Option<String> = text(256),
        city: Option<String> = text(256),
        state: Option<String> = text(256),
        zip_code: Option<String> = text(10),
        aadhar_number: Option<String> = text(20),
        spouse_name: Option<String> = text(256),
        father_name: Option<String> = text(256),
        custom_field_1: Option<String> = long_text(),
        custom_field_2: Option<String> = long_text(),
        custom_field_3: Option<String> = long_text(),
        custom_field_4: Option<String> = long_text(),
        custom_field_5: Option<String> = long_text(),
        notes: Option<String> = long_text(),
        timezone: Option<String> = text(256),
        language: Option<String> = text(10),
        created_at: Option<DateTime<Utc>> = instant(),
        updated_at: Option<DateTime<Utc>> = version(),
    }
}
