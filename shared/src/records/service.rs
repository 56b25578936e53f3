//! A service and its field table (API specification, section 3).

use chrono::{DateTime, Utc};

use super::price::Price;
use super::record::record;

record! {
    /// A service or treatment as CareQ describes it. An absent optional field is `None` and replaces the stored value.
    Service {
        name: String = required_text(256),
        /// The duration in minutes.
        duration: i32 = required_minutes(),
        price: Option<Price> = price(),
        currency: Option<String> = text(10),
        description: Option<String> = long_text(),
        location: Option<String> = text(256),
        color: Option<String> = color(),
        category: Option<String> = text(256),
        is_private: Option<bool> = boolean(),
        created_at: Option<DateTime<Utc>> = instant(),
        updated_at: Option<DateTime<Utc>> = version(),
    }
}
