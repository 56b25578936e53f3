//! The forms that all resources share: pages, whole lists, errors.

use std::fmt::Display;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

use crate::Listed;
use crate::api::problem::Code;
use crate::schema::of_type;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Paged<T> {
    /// What is on it.
    pub(in crate::api) items: Vec<T>,
    /// To be sent as `after` for the next page; null: there is none.
    pub(in crate::api) next: Option<String>,
}

impl<T, C: Display> From<Listed<T, C>> for Paged<T> {
    fn from(listed: Listed<T, C>) -> Self {
        Self { items: listed.items, next: listed.next.map(|next| next.to_string()) }
    }
}

/// A whole list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct All<T> {
    /// What is in it.
    pub(in crate::api) items: Vec<T>,
}

/// The form of CareQ's API specification, section "Error Handling".
pub(super) fn error() -> RefOr<Schema> {
    let messages = ArrayBuilder::new().items(of_type(Type::String)).build();
    let details = of_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::RefOr(Schema::Array(messages).into())))
        .description(Some("Sentences by the name of the field or word that is wrong"));
    let error = of_type(Type::Object)
        .property("code", of_type(Type::String).enum_values(Some(Code::ALL.map(Code::as_str))))
        .required("code")
        .property("message", of_type(Type::String).description(Some("A sentence for a person")))
        .required("message")
        .property("details", details)
        .required("details");
    let timestamp = of_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    of_type(Type::Object)
        .property("success", of_type(Type::Boolean).enum_values(Some([false])))
        .required("success")
        .property("error", error)
        .required("error")
        .property("timestamp", timestamp)
        .required("timestamp")
        .into()
}
